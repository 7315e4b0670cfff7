// clip.ts: what users have of clipping: `clip`.
export * from '../clip/index.ts';
export { type Applied, type ApplyOptions, apply } from '../optim/standalone/clipped.ts';
