// list.ts: the networks of examples/networks, each with how it is run in short and what it must have learned by then.
import type { Network } from '../../examples/networks/network.ts';

/** Steps whose losses are compared with PyTorch's. */
export const STEPS = 20;

interface Module {
  network(options: { readonly seed?: number; readonly steps?: number; readonly given?: boolean }): Network;
}

export interface Listed {
  readonly load: () => Promise<Module>;
  /** Of a short run, with seed 1. */
  readonly steps: number;
  /** What the scores must be after it, [least, most] of each. */
  readonly scores: Readonly<Record<string, readonly [number, number]>>;
}

/** A new network needs a line here, and a function of its name in networks.py. */
export const NETWORKS: Readonly<Record<string, Listed>> = {
  byol: {
    load: () => import('../../examples/networks/byol.ts'),
    steps: 150,
    scores: { accuracy: [0.4, 1] },
  },
  ctc: {
    load: () => import('../../examples/networks/ctc.ts'),
    steps: 180,
    scores: { labelErrorRate: [0, 0.5] },
  },
  dqn: {
    load: () => import('../../examples/networks/dqn.ts'),
    steps: 3000,
    scores: { shortestWays: [0.8, 1] },
  },
  gcn: {
    load: () => import('../../examples/networks/gcn.ts'),
    steps: 200,
    scores: { right: [28, 32] },
  },
  maml: {
    load: () => import('../../examples/networks/maml.ts'),
    steps: 1000,
    scores: { rightBefore: [0.6, 0.9], rightAfterOneStep: [0.88, 1] },
  },
  moe: {
    load: () => import('../../examples/networks/moe.ts'),
    steps: 800,
    scores: { explained: [0.6, 1], leastUsed: [0.02, 0.25] },
  },
  pinn: {
    load: () => import('../../examples/networks/pinn.ts'),
    steps: 800,
    scores: { largestError: [0, 0.02] },
  },
  reinforce: {
    load: () => import('../../examples/networks/reinforce.ts'),
    steps: 60,
    scores: { movesAGame: [100, 200] },
  },
  unet: {
    load: () => import('../../examples/networks/unet.ts'),
    steps: 80,
    scores: { intersectionOverUnion: [0.6, 1] },
  },
  vae: {
    load: () => import('../../examples/networks/vae.ts'),
    steps: 1500,
    scores: { sure: [0.4, 1], leastClass: [0.01, 0.25] },
  },
  vit: {
    load: () => import('../../examples/networks/vit.ts'),
    steps: 300,
    scores: { accuracy: [0.4, 1] },
  },
  'wgan-gp': {
    load: () => import('../../examples/networks/wgan-gp.ts'),
    steps: 3000,
    scores: { distance: [0, 0.3], spots: [6, 8] },
  },
};
