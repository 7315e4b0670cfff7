// index.ts: all mutants.
import type { Mutant, Mutants } from '../mutant.ts';
import { BINDING } from './binding.ts';
import { CLIPPING } from './clipping.ts';
import { FACES } from './faces.ts';
import { FIGURES } from './figures.ts';
import { NUMBERS } from './numbers.ts';
import { OPTIMIZERS } from './optimizers.ts';
import { TABLES } from './tables.ts';
import { TRAINING } from './training.ts';
import { WEIGHTS } from './weights.ts';
import { WRITING } from './writing.ts';

const ROOMS: readonly Mutants[] = [NUMBERS, CLIPPING, OPTIMIZERS, TRAINING, TABLES, WEIGHTS, WRITING, FIGURES, FACES, BINDING];

export const MUTANTS: readonly Mutant[] = ROOMS.flatMap((room) => Object.entries(room).map(([what, m]) => ({ what, ...m })));
