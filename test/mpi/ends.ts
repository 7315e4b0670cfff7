// ends.ts: what may go wrong in one process of a group, and what is said then.
import { installed, type Launcher } from './launch.ts';

/** Of each: what the children call it, what it is, and what is said. */
export const ENDS: readonly (readonly [name: string, what: string, says: string])[] = [
  ['throws', 'one throws before its fit', 'process 1 of 2: Error: the data of process 1 are not there'],
  [
    'label',
    'a label that there is not, in one share',
    'process 1 of 2: IndexError [ERR_INDEX]: softmaxCrossEntropy: expected an index from 0 to 3 at position 0, got 9; y: 9 at row 36',
  ],
  ['otherData', 'other data', 'has other data than process'],
  ['fewerRows', 'fewer rows', 'has other data than process'],
  ['otherRate', 'another threshold', 'has other learning rates or thresholds than process'],
  [
    'stepLabel',
    'a label of a batch that is given',
    'expected an index from 0 to 3 at position 1, got 9; y: 9 at row 36 of the batch',
  ],
  ['otherLoss', 'another loss', 'has other graph of model and loss than process'],
  ['otherSteps', 'another number of steps', 'has other lengths than process'],
  ['leaves', 'one takes no part', 'has other place than process'],
  ['skips', 'one leaves out a fit', 'has other lengths than process'],
  ['exits', 'one ends amid a fit', 'process '],
  ['killed', 'one is killed', ''],
];

/** The launcher of the one, the library of the other: [launcher, file]. */
export const STRANGERS: readonly (readonly [Launcher, file: string])[] =
  installed.length < 2 ? [] : installed.map((launcher, i) => [launcher, installed[(i + 1) % installed.length]!.file]);
export const STRANGER = 'the launcher is of another library';
