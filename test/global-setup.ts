// global-setup.ts: builds dist/ once before the tests, with the scripts of test/children and the bundle: child processes and worker threads
// cannot run TypeScript on Node 20.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

export default function setup(): void {
  const run = (...args: string[]): void => {
    execFileSync(process.execPath, args, { cwd: resolve(import.meta.dirname, '..'), stdio: 'inherit' });
  };
  run('node_modules/typescript/bin/tsc', '-p', 'test/children/tsconfig.json');
  run('scripts/bundle.mjs');
}
