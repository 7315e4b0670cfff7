// ncf.ts: ncf and ncf-sparse: whether a user takes an item, by vectors of both and a small network.
import { NCF, ncfLoss } from '../../../models/ncf.ts';
import { normal } from '../../../nn/module/init.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { tastes } from '../../data/tastes.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const PEOPLE = { users: 60, items: 40 } as const;
/** Vectors that begin as those of the paper (.01) leave SGD where it is for longer than this lasts. */
function model(sparse: boolean): NCF {
  const made = new NCF({ ...PEOPLE, dim: 12, hidden: [24, 12], sparse });
  for (const { weight } of [made.users, made.items]) weight.init = normal(0, 0.3);
  return made;
}

const ncf = (sparse: boolean, optimizers: LabWorkload['optimizers']): LabWorkload =>
  workload<NCF>({
    name: sparse ? 'ncf-sparse' : 'ncf',
    about: `vectors of 60 users and 40 items into linear 24-24-12-1: who takes what${sparse ? '; only rows looked up are updated' : ''}`,
    kind: 'recommendation',
    traits: sparse ? ['sparse'] : [],
    steps: 400,
    batchSize: 64,
    optimizers,
    data: (seed) =>
      threeSets(seed, { train: 6000, validation: 1000, test: 2000 }, (next, rows) =>
        tastes(draws(seed, 'shared'), next, { rows, ...PEOPLE }),
      ),
    model: () => model(sparse),
    loss: ncfLoss as never,
    ignorant: ofClasses,
  });

export const NCF_DENSE: LabWorkload = ncf(false, rates(0.3, 1e-2));
export const NCF_SPARSE: LabWorkload = ncf(true, rates(0.3, 1e-2));
