// soak.test.ts: short forms of `npm run -s soak:workers` and `soak:fits`: nothing crashes, and what they do ends as they expect.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

// So few tell nothing of memory.
it.concurrent.each([
  ['workers', 8],
  ['fits', 27],
])('%s', async (name, count) => {
  const env = { ...process.env, GRADCLIP_POISON: '0' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [`scripts/soak-${name}.mjs`, String(count)], { env });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toMatchObject({ soak: name, [name]: count, flat: name === 'fits' ? true : null });
});
