// kit.ts: runs commands within the test's process, with streams that are kept, and makes folders that go away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { main } from '../../lib/cli/cli.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON lines. */
  json(): Record<string, unknown>[];
}

export interface RunOptions {
  readonly cwd?: string;
  readonly tty?: boolean;
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Sees what is written as it is written. */
  readonly onStdout?: (text: string) => void;
}

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd = tmpdir(), tty = false, env = {}, signal = new AbortController().signal, onStdout } = options;
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts) => ({
    isTTY: tty,
    columns: 100,
    rows: 40,
    write(text: string) {
      texts[name] += text;
      if (name === 'stdout') onStdout?.(text);
    },
  });
  const code = await main(argv, { stdout: stream('stdout'), stderr: stream('stderr'), env, cwd, signal });
  const json = (): Record<string, unknown>[] => {
    const lines = texts.stdout.split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return { code, ...texts, json };
}

/** A folder with these files in it, removed when the test has finished. */
export function folder(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-cli-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

/** An IDX file of bytes. */
export function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = 8;
  head[3] = shape.length;
  for (const [i, d] of shape.entries()) head.writeUInt32BE(d, 4 + 4 * i);
  return Buffer.concat([head, data]);
}
