// install.test.ts: what is said where the native add-on cannot be loaded.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { AddonError } from '../lib/errors.ts';
import { addonError } from '../lib/native/missing.ts';

const root = resolve(import.meta.dirname, '..');
const built = join(root, 'build/Release');

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradclip-install-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What loading the add-on of this folder throws, in a process of its own. */
function loading(dir: string): Error {
  const code = `try { require('node-gyp-build')(process.argv[1]) } catch (e) { console.log(JSON.stringify(e.message)) }`;
  const said = execFileSync(process.execPath, ['-e', code, dir], { cwd: root, encoding: 'utf8' });
  return new Error(JSON.parse(said) as string);
}
/** A package with a build of these files. */
function packageOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const dir = folder();
  mkdirSync(join(dir, 'build/Release'), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, 'build/Release', name), content);
  return dir;
}

const CASES: readonly (readonly [string, () => Error, string, string])[] = [
  [
    'nothing is built',
    () => loading(folder()),
    'is not built: its install script did not run, or failed',
    'npm:  npm rebuild gradclip (where npm blocks scripts, first: npm install-scripts approve gradclip)\npnpm: pnpm approve-builds\nbun:  bun pm trust gradclip',
  ],
  [
    'the library of its threads is not beside it',
    () => loading(packageOf({ 'gradclip.node': readFileSync(join(built, 'gradclip.node')) })),
    'is there, but does not load',
    'gradclip_openmp.so',
  ],
  [
    'what is there is no add-on',
    () =>
      loading(
        packageOf({
          'gradclip.node': 'no ELF file, but some text that is long enough to be read as the header of one, one would think',
        }),
      ),
    'is there, but does not load',
    'build it here: npm rebuild gradclip',
  ],
  // As the loader says it.
  [
    'the system has no libgomp',
    () => new Error('libgomp.so.1: cannot open shared object file: No such file or directory'),
    'is built, but this system lacks libgomp.so.1',
    'apt-get install libgomp1',
  ],
];

it.each(CASES)('%s', (_name, cause, what, help) => {
  const error = addonError(cause(), false);
  expect(error).toBeInstanceOf(AddonError);
  expect(error.message).toContain(what);
  expect(error.message).toContain(help);
  expect(error.message.split('\n').length).toBeLessThanOrEqual(5);
});

it('in a checkout nobody has to allow anything', () => {
  expect(addonError(loading(folder()), true).message).toMatch(/is not built.*npm run build:native$/s);
});
