// external-buffers.test.ts: where the process refuses ArrayBuffers on memory of others, as Electron does, views are on SharedArrayBuffers, and all
// else is the same. Node-API's answer comes from a library of ours, which a copy of the add-on calls in its place.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { child } from '../children/kit.ts';
import { COMPILED } from '../kit.ts';
import { BUILT, renamed, temporary } from './package-kit.ts';

const REFUSES = `
int gradclip_test_external_refused(void* env, void* data, unsigned long bytes, void* end, void* hint, void** result) {
  return 22;  // napi_no_external_buffers_allowed
}`;

// A sanitized build has a library that comes first.
it.skipIf(process.env.LD_PRELOAD || !COMPILED)('the same bits on shared memory', async () => {
  const folder = temporary();
  mkdirSync(join(folder, 'build/Release'), { recursive: true });
  for (const name of readdirSync(BUILT).filter((name) => name.endsWith('.so')))
    cpSync(join(BUILT, name), join(folder, 'build/Release', name));
  const changed = renamed('gradclip.node', 'napi_create_external_arraybuffer', 'gradclip_test_external_refused');
  writeFileSync(join(folder, 'build/Release/gradclip.node'), changed);
  writeFileSync(join(folder, 'refuses.c'), REFUSES);
  const library = join(folder, 'refuses.so');
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(folder, 'refuses.c')]);

  const node = ['--expose-gc'];
  const [own, shared] = await Promise.all([
    child('external.js', [], { node, env: { GRADCLIP_PREBUILD: '' } }),
    child('external.js', [], { node, env: { GRADCLIP_PREBUILD: folder, LD_PRELOAD: library } }),
  ]);
  expect(own).toMatchObject({
    code: 0,
    errors: '',
    lines: [{ external: true, buffer: 'ArrayBuffer', same: true, kept: true, aligned: true }],
  });
  expect(shared).toEqual({
    ...own,
    lines: [{ ...(own.lines[0] as object), external: false, buffer: 'SharedArrayBuffer' }],
  });
});
