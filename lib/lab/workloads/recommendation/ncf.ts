// ncf.ts: ncf and ncf-sparse: whether a user takes an item, by vectors of both and a small network.
import { NCF, ncfLoss } from '../../../models/ncf.ts';
import { draws } from '../../data/draws.ts';
import { ofClasses } from '../../data/ignorant.ts';
import { tastes } from '../../data/tastes.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const PEOPLE = { users: 120, items: 60 } as const;
const ncf = (sparse: boolean, optimizers: LabWorkload['optimizers']): LabWorkload =>
  workload<NCF>({
    name: sparse ? 'ncf-sparse' : 'ncf',
    about: `vectors of 120 users and 60 items into linear 24-24-12-1: who takes what${sparse ? '; only rows looked up are updated' : ''}`,
    kind: 'recommendation',
    traits: sparse ? ['sparse'] : [],
    steps: 400,
    batchSize: 64,
    optimizers,
    data: (seed) =>
      threeSets(seed, { train: 6000, validation: 1000, test: 2000 }, (next, rows) =>
        tastes(draws(seed, 'shared'), next, { rows, ...PEOPLE }),
      ),
    model: () => new NCF({ ...PEOPLE, dim: 12, hidden: [24, 12], sparse }),
    loss: ncfLoss as never,
    ignorant: ofClasses,
  });

export const NCF_DENSE: LabWorkload = ncf(false, rates(0.1, 1e-2));
export const NCF_SPARSE: LabWorkload = ncf(true, rates(0.1, 1e-2));
