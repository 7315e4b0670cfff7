// docs.test.ts: the examples of pages in docs/ run as they stand.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'rolldown/experimental';
import { describe, expect, it } from 'vitest';
import { LEAVE_OUT } from '../../lib/native/cures.ts';
import { PREBUILT } from '../../lib/native/failure.ts';
import { runtime } from '../../lib/native/runtime.ts';

const root = resolve(import.meta.dirname, '../..');

/** The block of a page that has this text in it. */
function block(page: string, has = '', language = 'js'): string {
  const blocks = readFileSync(join(root, 'docs', page), 'utf8').matchAll(
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'),
  );
  return [...blocks].map((m) => m[1]!).find((text) => text.includes(has))!;
}

/** What a program prints. */
function said(source: string): string {
  const folder = mkdtempSync(join(root, 'dist', 'docs-'));
  try {
    const entry = pathToFileURL(join(root, 'dist/lib/index.js')).href;
    writeFileSync(join(folder, 'example.mjs'), source.replace("'gradclip'", `'${entry}'`));
    return execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const printed = (page: string, has?: string): string => said(block(page, has));

it('CONSTRAINTS.md: a model that loses three quarters of its hidden units', () => {
  const out = printed('CONSTRAINTS.md');
  expect(out).toContain("{ total: 0.75, tensors: { '0.weight': 0.75, '0.bias': 0.75 } }");
  const [hidden, difference] = out.trim().split('\n').at(-1)!.split(' ').map(Number);
  expect(hidden).toBe(8);
  expect(Math.abs(difference!)).toBeLessThan(1e-6);
});

it('DEBUGGING.md: a model and its summary', () => {
  const out = printed('DEBUGGING.md', 'summary(new');
  expect(out).toMatch(/^MLP\(\n {2}\(/);
  expect(out).toContain('392,740,864 multiply-adds');
});

it('DEBUGGING.md: what is printed while a model trains', () => {
  const lines = printed('DEBUGGING.md', 'ops.print').trim().split('\n');
  expect(lines.map((line) => line.split(':')[0])).toEqual(
    [0, 10].flatMap((batch) => [`hidden, batch ${batch}`, `gradient of hidden, batch ${batch}`]),
  );
  expect(lines[0]).toMatch(/^hidden, batch 0: f32\[32,8\] min 0 max \S+ mean \S+ norm \S+; .* of 256$/);
});

it('TYPESCRIPT.md: what it exports, and a name that the data does not have', () => {
  const { code } = transformSync('example.ts', block('TYPESCRIPT.md', '', 'ts'));
  const more = `
    console.log(likelier, await score(trainer));
    const wrong = new Trainer({ model: new Net(), loss: ({ x, z }, net) => loss.crossEntropy(net.forward(x), z), optimizer: optim.adamw() });
    await wrong.fit(data).catch((error) => console.log(error.message));`;
  const [first, second] = said(code + more).split('\n');
  expect(first).toMatch(/^[01] accuracy [01]\.\d\d, loss \d\.\d{3}$/);
  expect(second).toBe('loss: the batch has no array z; it has x, y');
});

it('DEBUGGING.md: where the first NaN is', () => {
  const out = printed('DEBUGGING.md', 'trainer.inspect');
  expect(out).toContain('blocks.1: Linear');
  expect(out.trim().split('\n').at(-1)).toMatch(/^\{ module: 'blocks\.1', what: 'input', which: 0, index: \[ \d+, \d+ \] \}$/);
});

it('DEBUGGING.md: the op that gave the first NaN, and its line', () => {
  const lines = printed('DEBUGGING.md', 'debug: true').trim().split('\n');
  expect(lines[0]).toMatch(/^NonFiniteError: debug: log gave NaN at \[\d+,\d\] and \d+ more$/);
  const source = block('DEBUGGING.md', 'debug: true');
  const [, file, line] = /^ {2}written at \/.*\/(\w+\.\w+):(\d+):\d+$/.exec(lines[1]!)!;
  expect(file).toMatch(/^example/);
  expect(source.split('\n')[Number(line) - 1]).toContain('// some of h are negative');
  expect(lines[2]).toMatch(/^ {2}input 0, linear fc: f32\[32,4\] min -/);
});

describe('INSTALL.md', () => {
  const page = readFileSync(join(root, 'docs/INSTALL.md'), 'utf8');
  const text = (file: string): string => readFileSync(join(root, file), 'utf8');

  it('what is loaded', () => {
    const { isa, team, origin, libc } = runtime();
    expect(printed('INSTALL.md')).toBe(`${isa} ${team} ${origin} ${libc}\n`);
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
