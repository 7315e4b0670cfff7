// peers.ts: the peers, and where they are installed (docs/PERFORMANCE.md says how).
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Launch } from './engine.ts';

// name in reports -> folder in PEERS_HOME, script, mode
const PEERS: Readonly<Record<string, readonly [folder: string, script: string, mode?: string]>> = {
  torch: ['torch', 'torch_peer.py'],
  'torch-compile': ['torch', 'torch_peer.py', 'compile'],
  jax: ['jax', 'jax_peer.py'],
  tf: ['tf', 'tf_peer.py'],
  'tf-xla': ['tf', 'tf_peer.py', 'jit'],
  tfjs: ['tfjs', 'tfjs_peer.mjs'],
  blas: ['torch', 'numpy_peer.py'],
};
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

/** The peers of that name which are installed. `tell` hears of the others. */
export function findPeers(names: readonly string[], tell: (text: string) => void): Launch[] {
  const home = process.env.PEERS_HOME ?? join(homedir(), '.cache/gradclip-peers');
  // This file runs from dist/bench.
  const scripts = fileURLToPath(new URL('../../bench/peers/', import.meta.url));
  return names.flatMap((peer) => {
    const [folder, name, mode] = PEERS[peer]!;
    const [script, python] = [join(scripts, name), name.endsWith('.py')];
    const needs = join(home, folder, python ? 'bin/python' : 'node_modules/@tensorflow/tfjs-backend-wasm');
    if (!existsSync(needs)) {
      tell(`${peer}: no ${needs}, goes without (PEERS_HOME says where the peers are)`);
      return [];
    }
    if (!python) return [{ peer, command: process.execPath, args: [script, '--home', join(home, folder)] }];
    return [{ peer, command: needs, args: [script, ...(mode ? ['--mode', mode] : [])] }];
  });
}
