// list.ts: every optimizer by its name, for configurations and for tests that enumerate them.
import { acclip } from './acclip.ts';
import { adadelta } from './adadelta.ts';
import { adafactor } from './adafactor.ts';
import { adagrad } from './adagrad.ts';
import { adam, adamw } from './adam.ts';
import { adamax } from './adamax.ts';
import { adopt } from './adopt.ts';
import { lamb } from './lamb.ts';
import { lars } from './lars.ts';
import { lion } from './lion.ts';
import { muon } from './muon.ts';
import { nadam } from './nadam.ts';
import type { Optimizer } from './optimizer.ts';
import { radam } from './radam.ts';
import { rmsprop } from './rmsprop.ts';
import { sgd } from './sgd.ts';
import { spam } from './spam.ts';
import { stableAdamw } from './stable-adamw.ts';

/** Each takes its options, of which none is required. */
export const OPTIMIZERS: Readonly<Record<string, (options: object) => Optimizer>> = {
  acclip,
  adadelta,
  adafactor,
  adagrad,
  adam,
  adamax,
  adamw,
  adopt,
  lamb,
  lars,
  lion,
  muon,
  nadam,
  radam,
  rmsprop,
  sgd,
  spam,
  stableAdamw,
};
