// index.ts: every layer of `nn`, and how networks are put together of them.
import { BASIC } from './basic.ts';
import { CONTAINERS } from './containers.ts';
import { IMAGES } from './images.ts';
import type { LayerKind } from './kind.ts';
import { SEQUENCES } from './sequences.ts';

export const LAYERS: Readonly<Record<string, LayerKind>> = { ...BASIC, ...IMAGES, ...SEQUENCES, ...CONTAINERS };
