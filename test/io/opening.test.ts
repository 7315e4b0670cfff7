// opening.test.ts: which files readers open, how much of them they take, and that they let others run meanwhile.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { readBytes, withFile, withSource } from '../../lib/io/file/file.ts';
import { otherKind } from '../../lib/io/file/kinds.ts';
import { atOnce, inTurns, Pace, type Parts } from '../../lib/io/file/pace.ts';
import { steppedClock, turnsDuring } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-opening-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function save(name: string, bytes: Uint8Array | string): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

/** All ways to open a file. */
const OPENERS: Readonly<Record<string, (file: string, maxBytes?: number) => Promise<number>>> = {
  withSource: (file, maxBytes) =>
    withSource(
      file,
      async (source) => {
        let length = 0;
        for await (const chunk of source.chunks()) length += chunk.length;
        return length;
      },
      maxBytes,
    ),
  readBytes: async (file, maxBytes) => (await readBytes(file, maxBytes)).length,
  withFile: (file, maxBytes) => withFile(file, async (_, size) => size, maxBytes),
};

describe.each(Object.entries(OPENERS))('%s', (_, open) => {
  it.skipIf(process.platform === 'win32')('refuses at once what is no regular file', async () => {
    const pipe = join(folder, 'pipe');
    rmSync(pipe, { force: true });
    execFileSync('mkfifo', [pipe]);
    await expect(open(pipe)).rejects.toThrow(/pipe: expected a regular file, got a pipe/);
    await expect(open(folder)).rejects.toThrow(/expected a regular file, got a folder/);
    await expect(open('/dev/zero')).rejects.toThrow(/expected a regular file, got a device/);
    const path = join(folder, 'socket');
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await expect(open(path)).rejects.toThrow(/expected a regular file, got a socket/);
    for (const file of [pipe, folder, '/dev/zero', path]) await expect(open(file)).rejects.toBeInstanceOf(DataError);
  });

  it('names file and code of what the system refuses', async () => {
    const missing = join(folder, 'missing');
    await expect(open(missing)).rejects.toMatchObject({
      message: `${missing}: no such file`,
      details: { file: missing, code: 'ENOENT' },
    });
    await expect(open('a\0b')).rejects.toBeInstanceOf(DataError);
  });

  it('takes at most maxBytes', async () => {
    const file = save('ten', Buffer.alloc(10));
    expect(await open(file, 10)).toBe(10);
    await expect(open(file, 9)).rejects.toThrow(/ten: expected at most 9 bytes \(option maxBytes\), got 10/);
  });
});

describe('gzip', () => {
  it('is bounded unpacked, too, before more is unpacked', async () => {
    const file = save('bomb.gz', gzipSync(Buffer.alloc(1 << 22)));
    expect(await OPENERS.withSource!(file, 1 << 22)).toBe(1 << 22);
    let seen = 0;
    const read = withSource(
      file,
      async (source) => {
        expect(source.maxBytes).toBe(1 << 20);
        for await (const chunk of source.chunks()) seen += chunk.length;
      },
      1 << 20,
    );
    await expect(read).rejects.toThrow(/expected at most 1048576 bytes \(option maxBytes\), got more, unpacked/);
    expect(seen).toBeLessThanOrEqual(1 << 20);
  });
});

it.skipIf(process.platform !== 'linux')('a file that the system makes while it is read has no size', async () => {
  expect(await OPENERS.readBytes!('/proc/self/status')).toBeGreaterThan(100);
  expect(await OPENERS.withSource!('/proc/self/status')).toBeGreaterThan(100);
  await expect(OPENERS.readBytes!('/proc/self/status', 100)).rejects.toThrow(/at most 100 bytes/);
});

describe('turns of the event loop', () => {
  function* parts(n: number): Parts<number> {
    for (let i = 0; i < n; i++) yield;
    return n;
  }
  it('come every 10 ms of work in parts', async () => {
    steppedClock(1);
    const pace = new Pace();
    const taken = vi.spyOn(pace, 'turn');
    expect(await turnsDuring(() => inTurns(parts(1000), pace))).toBeGreaterThan(80);
    expect(taken).toHaveBeenCalledTimes(Math.floor(1000 / 10));
    expect(atOnce(parts(1000))).toBe(1000);
  });

  it('come between the pieces of a file', async () => {
    const file = save('long.gz', gzipSync(Buffer.alloc(1 << 22)));
    steppedClock();
    const pieces: number[] = [];
    const read = (): Promise<void> =>
      withSource(file, async (source) => {
        for await (const chunk of source.chunks()) pieces.push(chunk.length);
      });
    expect(await turnsDuring(read)).toBeGreaterThan(pieces.length / 2 - 1);
    expect(Math.max(...pieces)).toBeLessThanOrEqual(1 << 16);
  });
});

describe('what lies in place of another file', () => {
  const lfs = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n';
  const cases: readonly (readonly [string, Uint8Array | string, RegExp | null])[] = [
    ['nothing', '', /^an empty file$/],
    ['a pointer', lfs, /^a Git LFS pointer: run git lfs pull/],
    ['a page', '\n<!DOCTYPE html><html>', /^a web page: download/],
    ['a page without a doctype', '\ufeff<html lang="en">', /^a web page/],
    ['JSON', '{"weight_map": {}}', /^JSON: /],
    ['a list', '[1, 2]', /^JSON: /],
    ['a zip', Buffer.from('PK\x03\x04....'), /^a zip archive: of arrays: io\.readNpz.*io\.readTorch/],
    ['a pickle', Buffer.from([0x80, 2, 0x7d, 0x71]), /^a pickle of Python: .*safetensors/],
    ['gzip', gzipSync('x'), /^a gzip file: unpack/],
    ['numpy', Buffer.from('\x93NUMPY\x01\x00', 'latin1'), /^a \.npy file: io\.readNpy/],
    ['safetensors', Buffer.from('\x02\0\0\0\0\0\0\0{}', 'latin1'), /^a safetensors file/],
    ['HDF5', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), /^an HDF5 file/],
    ['GGUF', Buffer.from('GGUF\x03\0\0\0'), /^a GGUF file/],
    ['a table', '1,2,3\n', null],
    ['a text', '[Scene: a street]', null],
    ['blanks', ' '.repeat(100_000), null],
  ];
  it.each(cases)('%s', (_, bytes, want) => {
    const got = otherKind(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    if (want === null) expect(got).toBeNull();
    else expect(got).toMatch(want);
  });

  it('is not what is expected', () => {
    expect(otherKind(gzipSync('x'), 'a gzip file')).toBeNull();
  });
});
