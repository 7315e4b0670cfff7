// kills.test.ts: `npm run -s kill9` in a short form: a training killed a few times is the one that was not.
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

// Built by global-setup.ts.
const RUN = resolve(import.meta.dirname, '../../dist/test/kills/run.js');

it('3 kills lose nothing and leave nothing corrupt', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [RUN, '--kills', '3', '--jobs', '1']);
  expect(stdout).toContain('0 lost, 0 corrupt, 0 times more than one file left over, 0 different from one fit');
});
