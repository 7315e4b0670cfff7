// interchange.test.ts: a checkpoint with running statistics evaluates alike here and in PyTorch, whoever wrote it (short form of `npm run interchange`);
// so does one with tied weights, in the forms in which PyTorch writes and reads it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { io } from '../../lib/index.ts';
import { tied, tiedData } from '../train/models.ts';
import { interchange } from './resnet20.ts';

const LOOK = 'import importlib.util as i, sys; sys.exit(not all(map(i.find_spec, ["torch", "safetensors"])))';

/** A Python that has PyTorch and safetensors: the bench's peer, else python3; null where there is none. */
function python(): string | null {
  const peer = join(process.env.PEERS_HOME ?? join(homedir(), '.cache/gradclip-peers'), 'torch/bin/python');
  const command = existsSync(peer) ? peer : 'python3';
  return spawnSync(command, ['-c', LOOK], { stdio: 'ignore' }).status === 0 ? command : null;
}

const found = python();
if (!found) console.warn('skipped: no Python with torch and safetensors (PEERS_HOME says where the peers are)');

test.skipIf(!found)('resnet20, both ways', async () => {
  const script = fileURLToPath(new URL('resnet20.py', import.meta.url));
  const settings = { python: found!, script, steps: 4, batch: 8, test: 48, threads: 2 };
  for (const { accuracy, distance } of Object.values(await interchange(settings))) {
    expect(accuracy.here).toBe(accuracy.torch);
    expect(distance).toBeLessThan(1e-5);
  }
});

test.skipIf(!found)('tied weights, both ways', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-tied-'));
  const trainer = tied();
  await trainer.fit(tiedData, { steps: 3 });
  await trainer.save(join(folder, 'here.safetensors'), { weightsOnly: true });
  await io.writeSafetensors(join(folder, 'data.safetensors'), { x: { dtype: 'i32', ...tiedData.x } });
  const script = fileURLToPath(new URL('tied.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(found!, [script, folder], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const theirs = JSON.parse(stdout) as Record<'here' | 'torch', number[]>;
  const distance = async (name: 'here' | 'torch'): Promise<number> => {
    const ours = (await trainer.predict(tiedData.x)).data;
    return Math.max(...theirs[name].map((v, i) => Math.abs(v - ours[i]!)));
  };
  expect(await distance('here')).toBeLessThan(1e-6);
  // Which has one of the names alone.
  expect(await trainer.load(join(folder, 'torch.safetensors'))).toEqual({ missing: [], extra: [] });
  expect(await distance('torch')).toBeLessThan(1e-6);
});
