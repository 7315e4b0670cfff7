// peers.ts: the peers, where they are installed (docs/PERFORMANCE.md says how), and their versions.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
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
  /** Ways in which it runs, with commas. */
  readonly mode?: string;
  /** Its memory is glibc's as it comes. */
  readonly plain?: boolean;
  /** Whose version is told. */
  readonly distribution: string;
  /** Whose version is told beside, where it is there. */
  readonly beside?: string;
}

const torch = { folder: 'torch', script: 'torch_peer.py', distribution: 'torch' };
const jax = { folder: 'jax', script: 'jax_peer.py', distribution: 'jax', beside: 'optax' };
const keras = { folder: 'jax', script: 'keras_peer.py', distribution: 'keras', beside: 'jax' };
const tf = { folder: 'tf', script: 'tf_peer.py', distribution: 'tensorflow' };
const blas = { folder: 'torch', script: 'numpy_peer.py', distribution: 'numpy' };
const opacus = { folder: 'opacus', script: 'opacus_peer.py', distribution: 'opacus', beside: 'torch' };
const PYTHON: Readonly<Record<string, Entry>> = {
  torch,
  'torch-compile': { ...torch, mode: 'compile' },
  'torch-autotune': { ...torch, mode: 'autotune' },
  'torch-bf16': { ...torch, mode: 'bf16' },
  'torch-bf16-compile': { ...torch, mode: 'bf16,compile' },
  'torch-bf16-autotune': { ...torch, mode: 'bf16,autotune' },
  jax,
  'jax-bf16': { ...jax, mode: 'bf16' },
  keras,
  tf,
  'tf-bf16': { ...tf, mode: 'bf16' },
  'tf-xla': { ...tf, mode: 'jit' },
  opacus,
};
const PEERS: Readonly<Record<string, Entry>> = {
  ...PYTHON,
  ...Object.fromEntries(Object.entries(PYTHON).map(([name, entry]) => [`${name}-default`, { ...entry, plain: true }])),
  tfjs: { folder: 'tfjs', script: 'tfjs_peer.mjs', distribution: '@tensorflow/tfjs-backend-wasm' },
  jaxjs: { folder: 'jaxjs', script: 'jaxjs_peer.mjs', distribution: '@jax-js/jax' },
  blas,
  'blas-bf16': { ...blas, mode: 'bf16', distribution: 'torch' },
};
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

// By these, surroundings choose threads, allocators and kernels of other processors for all that runs in them. No peer is held back by any.
const PRESET = /^(?:(?:OPENBLAS|MKL|ONEDNN|DNNL|NVPL|OMP|GOMP|KMP|XLA|TF|MALLOC|GLIBC)_|LD_PRELOAD$)/;
// As it comes, glibc gives large tensors back to the system after each step; to take them again costs some models more than their arithmetic.
const RAISED: NodeJS.ProcessEnv = {
  MALLOC_MMAP_THRESHOLD_: '4000000000',
  MALLOC_TRIM_THRESHOLD_: '10000000000',
  MALLOC_TOP_PAD_: '100000000',
};

/** What a peer starts with: nothing that the surroundings preset, and glibc's limits raised, but where it is to be `plain`. */
export function peerEnvironment({ plain = false }: Pick<Entry, 'plain'> = {}): NodeJS.ProcessEnv {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !PRESET.test(name)));
  return plain ? own : { ...own, ...RAISED };
}

/** The peers of that name which are installed. `tell` hears of the others. */
export function findPeers(names: readonly string[], tell: (text: string) => void): Peer[] {
  const home = process.env.PEERS_HOME ?? join(homedir(), '.cache/gradclip-peers');
  // This file runs from dist/bench.
  const scripts = fileURLToPath(new URL('../../bench/peers/', import.meta.url));
  return names.flatMap((peer) => {
    const entry = PEERS[peer]!;
    const [folder, script] = [join(home, entry.folder), join(scripts, entry.script)];
    const found = script.endsWith('.py') ? python(folder, entry, script) : node(folder, entry, script);
    if (typeof found !== 'string') return [{ peer, env: peerEnvironment(entry), ...found }];
    tell(`${peer}: no ${found}, goes without (PEERS_HOME says where the peers are)`);
    return [];
  });
}

type Found = Omit<Peer, 'peer' | 'env'> | string;

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
