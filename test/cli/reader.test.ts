// reader.test.ts: the command as README and docs say to run it: `npx gradclip` in a clone, and in a project that has installed the tarball.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
};
const work = mkdtempSync(join(tmpdir(), 'gradclip-reader-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

// Nothing is fetched; the tarball is used with the add-on of this checkout. No scripts: npx links the clone into a folder of its own the first
// time, and its `prepare` would build dist anew, under the feet of other tests.
const env = {
  ...process.env,
  GRADCLIP_PREBUILD: root,
  npm_config_ignore_scripts: 'true',
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
};
function at(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A project with the package as npm installs it, without its script. */
function project(): string {
  const path = join(work, 'project');
  mkdirSync(path);
  const [pack] = JSON.parse(at(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', work)) as [
    { readonly filename: string },
  ];
  // What it depends on comes from here: the builder, which no script calls, as an empty package.
  const require = createRequire(import.meta.url);
  mkdirSync(join(work, 'cmake-js'));
  writeFileSync(join(work, 'cmake-js/package.json'), JSON.stringify({ name: 'cmake-js', version: '8.0.0' }));
  const folders = Object.keys(dependencies).map((name) => [
    name,
    `file:${name === 'cmake-js' ? join(work, name) : dirname(require.resolve(`${name}/package.json`))}`,
  ]);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ private: true, overrides: Object.fromEntries(folders) }));
  at(path, 'npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', join(work, pack.filename));
  return path;
}

/** A command line of README.md, with names of files that are there. */
const lines = readFileSync(join(root, 'README.md'), 'utf8').match(/^npx gradclip \S+.*?(?= {2,}#)/gm)!;
const commands = [...new Set(lines.map((line) => line.split(' ')[2]!))];

describe.each(['a clone', 'an installed tarball'])('in %s', (where) => {
  let cwd: string;
  beforeAll(() => {
    cwd = where === 'a clone' ? root : project();
  });
  const npx = (...args: string[]): string => at(cwd, 'npx', 'gradclip', ...args);

  it('npx finds it', () => expect(npx('--version')).toBe(`${version}\n`));

  it('it knows each command that the README has', () => {
    expect(commands.length).toBeGreaterThan(5);
    const said = npx('--help');
    for (const command of commands) expect(said).toContain(`\n  ${command} `);
  });

  it('it trains a configuration, looks into what it wrote and predicts with it', () => {
    const own = join(work, where.replaceAll(' ', '-'));
    mkdirSync(own);
    const file = (name: string): string => join(own, name);
    writeFileSync(file('points.csv'), Array.from({ length: 50 }, (_, i) => `${i % 7},${i % 5},${i % 2}\n`).join(''));
    writeFileSync(file('rows.csv'), '1,2\n3,4\n');
    const config = {
      data: { type: 'csv', file: 'points.csv', split: { train: 40, validation: 0 } },
      model: { type: 'mlp', sizes: [2, 8, 2] },
      optimizer: { type: 'sgd', lr: 0.1 },
      epochs: 2,
      threads: 1,
    };
    writeFileSync(file('config.json'), JSON.stringify(config));
    npx('train', file('config.json'), '--out', file('m.safetensors'));
    expect(npx('inspect', file('m.safetensors'))).toContain('0.weight');
    expect(npx('predict', file('m.safetensors'), file('rows.csv')).trim().split('\n')).toHaveLength(2);
  });
});
