// peers.ts: the peers, where they are installed (docs/PERFORMANCE.md says how), and their versions.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Launch } from './engine.ts';

/** A peer that is installed. */
export interface Peer extends Launch {
  readonly version: string;
}

interface Entry {
  /** In PEERS_HOME: a Python environment, or a folder with node_modules. */
  readonly folder: string;
  readonly script: string;
  readonly mode?: string;
  /** Whose version is told. */
  readonly distribution: string;
  /** Whose version is told beside, where it is there. */
  readonly beside?: string;
}

const PEERS: Readonly<Record<string, Entry>> = {
  torch: { folder: 'torch', script: 'torch_peer.py', distribution: 'torch' },
  'torch-compile': { folder: 'torch', script: 'torch_peer.py', mode: 'compile', distribution: 'torch' },
  jax: { folder: 'jax', script: 'jax_peer.py', distribution: 'jax', beside: 'optax' },
  tf: { folder: 'tf', script: 'tf_peer.py', distribution: 'tensorflow' },
  'tf-xla': { folder: 'tf', script: 'tf_peer.py', mode: 'jit', distribution: 'tensorflow' },
  tfjs: { folder: 'tfjs', script: 'tfjs_peer.mjs', distribution: '@tensorflow/tfjs-backend-wasm' },
  blas: { folder: 'torch', script: 'numpy_peer.py', distribution: 'numpy' },
};
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

/** The peers of that name which are installed. `tell` hears of the others. */
export function findPeers(names: readonly string[], tell: (text: string) => void): Peer[] {
  const home = process.env.PEERS_HOME ?? join(homedir(), '.cache/gradclip-peers');
  // This file runs from dist/bench.
  const scripts = fileURLToPath(new URL('../../bench/peers/', import.meta.url));
  return names.flatMap((peer) => {
    const entry = PEERS[peer]!;
    const [folder, script] = [join(home, entry.folder), join(scripts, entry.script)];
    const found = script.endsWith('.py') ? python(folder, entry, script) : node(folder, entry, script);
    if (typeof found !== 'string') return [{ peer, ...found }];
    tell(`${peer}: no ${found}, goes without (PEERS_HOME says where the peers are)`);
    return [];
  });
}

/** Another checkout of this project as a peer. @throws Error where it is not built */
export function checkout(folder: string): Peer {
  const engine = resolve(folder, 'dist/bench/engines/gradclip.js');
  if (!existsSync(engine)) throw new Error(`--against: no ${engine}: run npm ci there`);
  const { version } = JSON.parse(readFileSync(resolve(folder, 'package.json'), 'utf8')) as { version: string };
  return { peer: 'before', command: process.execPath, args: [engine], version };
}

type Found = Omit<Peer, 'peer'> | string;

function python(folder: string, { mode, distribution, beside }: Entry, script: string): Found {
  const command = join(folder, 'bin/python');
  if (!existsSync(command)) return command;
  const lib = join(folder, 'lib');
  const names = readdirSync(lib).flatMap((version) => {
    const site = join(lib, version, 'site-packages');
    return existsSync(site) ? readdirSync(site) : [];
  });
  const versionOf = (name: string): string | undefined => {
    const info = new RegExp(`^${name}(?:_cpu)?-(.+)\\.dist-info$`);
    return names.map((file) => info.exec(file)?.[1]).find((found) => found !== undefined);
  };
  const other = beside && versionOf(beside);
  const version = `${versionOf(distribution) ?? 'unknown'}${other ? ` with ${beside} ${other}` : ''}`;
  return { command, args: [script, ...(mode ? ['--mode', mode] : [])], version };
}

function node(folder: string, { distribution }: Entry, script: string): Found {
  const manifest = join(folder, 'node_modules', distribution, 'package.json');
  if (!existsSync(manifest)) return manifest;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return { command: process.execPath, args: [script, '--home', folder], version };
}
