// more.test.ts: what pages hold that no program of theirs prints: what is loaded, an example in TypeScript, files and compilers that are named elsewhere.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { transformSync } from 'rolldown/experimental';
import { describe, expect, it } from 'vitest';
import { LEAVE_OUT } from '../../lib/native/cures.ts';
import { PREBUILT } from '../../lib/native/failure.ts';
import { runtime } from '../../lib/native/runtime.ts';
import { programsOf, run } from './programs.ts';

const root = resolve(import.meta.dirname, '../..');

it('TYPESCRIPT.md: what it exports, and a name that the data does not have', () => {
  const [, source] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/TYPESCRIPT.md'), 'utf8'))!;
  const { code } = transformSync('example.ts', source!);
  const more = `
    console.log(likelier, await score(trainer));
    const wrong = new Trainer({ model: new Net(), loss: ({ x, z }, net) => loss.crossEntropy(net.forward(x), z), optimizer: optim.adamw() });
    await wrong.fit(data).catch((error) => console.log(error.message));`;
  const [printed] = run([{ line: 1, source: code + more, file: null, prints: '' }]);
  const [first, second] = printed!.split('\n');
  expect(first).toMatch(/^[01] accuracy [01]\.\d\d, loss \d\.\d{3}$/);
  expect(second).toBe('loss: the batch has no array z; it has x, y');
});

describe('INSTALL.md', () => {
  const page = readFileSync(join(root, 'docs/INSTALL.md'), 'utf8');
  const text = (file: string): string => readFileSync(join(root, file), 'utf8');

  it('what is loaded', () => {
    const { isa, team, origin, libc } = runtime();
    expect(run(programsOf('docs/INSTALL.md'))).toEqual([`${isa} ${team} ${origin} ${libc}\n`]);
  });

  it('names the files that are built, and no others', async () => {
    const { fileOf, TARGETS } = (await import('../../scripts/release/targets.mjs' as string)) as {
      readonly TARGETS: Readonly<Record<string, { readonly platform: string; readonly arch: string }>>;
      readonly fileOf: (target: object) => string;
    };
    const named = [...page.matchAll(/^\| .* \| `([^`]+\.node)` \| /gm)].map(([, file]) => file);
    expect(named.sort()).toEqual(Object.values(TARGETS).map(fileOf).sort());
    const systems = new Set(Object.values(TARGETS).map(({ platform, arch }) => `${platform}-${arch}`));
    expect(PREBUILT).toEqual([...systems].sort());
  });

  it('says of compilers what gradclip build says, and of bundlers what errors do', () => {
    const told = [...text('scripts/build-native.mjs').matchAll(/^ {2}\{ program: '(\w+)[^']*', .* install: '([^']+)'/gm)];
    expect(told.length).toBeGreaterThan(4);
    for (const [, program, install] of told) if (!/pacman|choco/.test(program!)) expect(page).toContain(`\`${install}\``);
    for (const cure of LEAVE_OUT) expect(page).toContain(cure.replace(/^[^:]+: +(bun build )?/, '').replaceAll('"', "'"));
  });
});
