// limits.ts: option `maxBytes` of the readers: that of all inputs, or one that was drawn.
import { type Input, MAX_BYTES } from '../spec.ts';

export const limitOf = ({ maxBytes = MAX_BYTES }: Input['options']): { readonly maxBytes: number } => ({
  maxBytes: maxBytes as number,
});
