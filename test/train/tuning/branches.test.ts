// branches.test.ts: a training whose threshold is found by races is, bit for bit, the training that has the factors of those who won, from the steps on
// where they began: weights, and every state there is. Whatever the training has.
import { expect, test, vi } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { compared, lastOf, outcomeOf } from '../../resume/outcome.ts';
import type { Setup } from '../../resume/setup.ts';
import { SETUPS } from '../../resume/setups.ts';
import type { Outcome } from '../../torture/train.ts';
import { DECIDED, SCRIPTED } from './script.ts';

vi.mock('../../../lib/train/tuning/tuner.ts', async () => ({ Tuner: (await import('./script.ts')).Scripted }));

const policy = clip.globalNorm(0.5);

/** What the run itself is told is of the branch that everybody saw. Early stops and roll-backs see that one, too. */
const told = /^(step|validation|epoch|best|auto|line |gradclip\.watch\.)/;
const among = (setup: Setup, name: string): boolean =>
  // Those that search take no clip.
  !/^clip\.|roll|early stop|skips in a row|guard|layer|lbfgs/.test(name) &&
  setup.fit?.epochs === undefined &&
  lastOf(setup) >= SCRIPTED;
const state = (outcome: Outcome): Outcome => new Map([...outcome].filter(([name]) => !told.test(name)));
const by = (setup: Setup, auto: clip.ClipPolicy): Setup => ({ ...setup, options: { ...setup.options, clip: auto } });

test.each(Object.entries(SETUPS).filter(([name, setup]) => among(setup, name)))('%s', async (_, setup) => {
  const raced = await outcomeOf(by(setup, clip.auto({ policy })), []);
  const given = await outcomeOf(by(setup, clip.auto({ policy, decisions: DECIDED })), []);
  expect(compared(state(given), state(raced))).toBeNull();
});
