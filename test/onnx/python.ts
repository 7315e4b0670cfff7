// python.ts: a Python that has what check.py imports: that which is given, the usual one if it does, or one in a folder of its own that is made for it.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What cannot be had on this machine, and why. */
export class Skip extends Error {}

const has = (python: string): boolean =>
  spawnSync(python, ['-c', 'import numpy, onnx, onnxruntime, safetensors'], { stdio: 'ignore' }).status === 0;

/**
 * @param given by whoever calls; taken as it is
 * @param root of the project
 * @throws Skip where there is none, and none can be made
 */
export function pythonFor(given: string | undefined, root: string): string {
  if (given !== undefined) return given;
  if (has('python3')) return 'python3';
  const folder = join(root, 'build-onnx');
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (existsSync(python) && has(python)) return python;
  try {
    run('python3', '-m', 'venv', '--clear', folder);
    run(
      python,
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--retries',
      '2',
      '-r',
      join(root, 'test/onnx/requirements.txt'),
    );
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const { stderr, message } = error as Error & { readonly stderr?: string };
    const said = (stderr || message).trim().split('\n').at(-1);
    throw new Skip(`no Python here has onnx, onnxruntime and safetensors, and they cannot be installed: ${said}`);
  }
  return python;
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
}
