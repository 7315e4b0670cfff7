// interchange.test.ts: a checkpoint with running statistics evaluates alike here and in PyTorch, whoever wrote it (short form of `npm run interchange`).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { interchange } from './interchange/resnet20.ts';

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
  const script = fileURLToPath(new URL('interchange/resnet20.py', import.meta.url));
  const settings = { python: found!, script, steps: 4, batch: 8, test: 48, threads: 2 };
  for (const { accuracy, distance } of Object.values(await interchange(settings))) {
    expect(accuracy.here).toBe(accuracy.torch);
    expect(distance).toBeLessThan(1e-5);
  }
});
