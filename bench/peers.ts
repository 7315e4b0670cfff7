// peers.ts: the Python peers, and where their virtual environments are.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Launch } from './engine.ts';

// name in reports -> environment, script, mode
const PEERS: Readonly<Record<string, readonly [env: string, script: string, mode?: string]>> = {
  torch: ['torch', 'torch_peer.py'],
  'torch-compile': ['torch', 'torch_peer.py', 'compile'],
  jax: ['jax', 'jax_peer.py'],
  tf: ['tf', 'tf_peer.py'],
  'tf-xla': ['tf', 'tf_peer.py', 'jit'],
  blas: ['torch', 'numpy_peer.py'],
};
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

/** The peers of that name which are installed. `tell` hears of the others. */
export function findPeers(names: readonly string[], tell: (text: string) => void): Launch[] {
  const home = process.env.PEERS_HOME ?? join(homedir(), '.cache/gradclip-peers');
  // This file runs from dist/bench.
  const scripts = fileURLToPath(new URL('../../bench/peers/', import.meta.url));
  return names.flatMap((peer) => {
    const [env, script, mode] = PEERS[peer]!;
    const command = join(home, env, 'bin/python');
    if (!existsSync(command)) {
      tell(`${peer}: no ${command}, goes without (PEERS_HOME says where the environments are)`);
      return [];
    }
    return [{ peer, command, args: [join(scripts, script), ...(mode ? ['--mode', mode] : [])] }];
  });
}
