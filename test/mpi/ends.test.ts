// ends.test.ts: whatever goes wrong in one process of a group, all end, with its own error, and what was saved is whole. Each with one of the libraries that
// are installed; `npm run -s check:groups` takes all.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { ENDS, STRANGER, STRANGERS } from './ends.ts';
import { folder, installed, start } from './start.ts';

const cases = ENDS.flatMap(([name, what, says], i) => {
  const launcher = installed[i % installed.length];
  return launcher ? [{ name, what, says, launcher }] : [];
});
it.each(cases)('$what: $launcher.library', async ({ name, says, launcher }) => {
  const { code, errors } = await start(launcher, 2, name);
  expect(errors).toContain(says);
  expect(code).not.toBe(0);
  // It has ended by itself: nobody had to end it.
  expect(code).not.toBeNull();
  if (name !== 'killed') return;
  const { tensors } = await readSafetensors(join(folder, 'killed.safetensors'));
  expect(tensors.size).toBeGreaterThan(4);
});

it.each(STRANGERS)('refuses a launcher of another library: $library', async (launcher, file) => {
  const { code, errors } = await start(launcher, 2, 'all', { GRADCLIP_MPI: file });
  expect(code).not.toBe(0);
  expect(errors).toContain(STRANGER);
});
