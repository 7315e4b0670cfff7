// usage.test.ts: help, version, wrong words on the command line, and where results and messages go.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { run } from './kit.ts';

it('prints its version', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
});

it.each([[[]], [['--help']], [['-h']], [['help']]])('lists the commands: %j', async (argv) => {
  const { code, stdout, stderr } = await run(argv);
  expect(code).toBe(0);
  expect(stdout).toContain('Usage: gradclip COMMAND');
  expect(stdout).toContain('inspect FILE');
  expect(stderr).toBe('');
});

it.each(['demo', 'train', 'predict', 'sample', 'report', 'watch', 'clip-report', 'bench', 'inspect', 'build'])(
  '%s --help lists its options',
  async (command) => {
    const { code, stdout, stderr } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: gradclip ${command}`);
    expect(stdout).toContain('--json');
    expect(stderr).toBe('');
  },
);

it.each([
  [['inspcet', 'x'], 'gradclip: unknown command "inspcet"; did you mean inspect?'],
  [['zzzzzzzz'], 'gradclip: unknown command "zzzzzzzz"; commands: '],
  [['--versoin'], 'gradclip: unknown option "--versoin"; did you mean --version?'],
  [['inspect', '--jsno', 'x'], 'gradclip inspect: unknown option --jsno; did you mean --json?'],
  [['inspect', '--json=yes', 'x'], 'gradclip inspect: --json takes no value, got "yes"'],
  [['inspect'], 'gradclip inspect: expected FILE'],
  [['inspect', 'a', 'b'], 'gradclip inspect: unexpected argument "b"'],
])('%j', async (argv, message) => {
  const { code, stdout, stderr } = await run(argv);
  expect(stderr).toContain(`error: ${message}`);
  expect(code).toBe(2);
  expect(stdout).toBe('');
});

it('gives errors as JSON too, and colors to terminals that want them', async () => {
  const plain = await run(['inspect', '--json', '--bogus']);
  expect(plain.json()).toEqual([{ event: 'error', code: 'ERR_OPTION', message: expect.stringContaining('--bogus') }]);
  expect(plain.stderr).not.toContain('\x1b');
  expect((await run(['inspect'], { tty: true })).stderr).toContain('\x1b[31m');
  expect((await run(['inspect'], { tty: true, env: { NO_COLOR: '1' } })).stderr).not.toContain('\x1b');
});
