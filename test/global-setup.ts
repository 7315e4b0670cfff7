// global-setup.ts: builds dist/ once before the tests, with the scripts of test/children: child processes and worker threads cannot
// run TypeScript on Node 20.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

export default function setup(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/children/tsconfig.json'], {
    cwd: resolve(import.meta.dirname, '..'),
    stdio: 'inherit',
  });
}
