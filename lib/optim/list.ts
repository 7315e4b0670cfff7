// list.ts: every optimizer by its name, for configurations and for tests that enumerate them.

import type { Optimizer } from './optimizer.ts';
import { acclip } from './rules/acclip.ts';
import { adadelta } from './rules/adadelta.ts';
import { adafactor } from './rules/adafactor.ts';
import { adagrad } from './rules/adagrad.ts';
import { adam, adamw } from './rules/adam.ts';
import { adamax } from './rules/adamax.ts';
import { adopt } from './rules/adopt.ts';
import { lamb } from './rules/lamb.ts';
import { lars } from './rules/lars.ts';
import { lion } from './rules/lion.ts';
import { muon } from './rules/muon.ts';
import { nadam } from './rules/nadam.ts';
import { radam } from './rules/radam.ts';
import { rmsprop } from './rules/rmsprop.ts';
import { sgd } from './rules/sgd.ts';
import { spam } from './rules/spam.ts';
import { stableAdamw } from './rules/stable-adamw.ts';

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
