// ncf-sparse.ts: ncf with tables of which a step updates only the rows that it looked up. No peer has AdamW so.
import type { NCF } from '../../lib/models/index.ts';
import type { Workload } from '../workload.ts';
import { ncf } from './ncf.ts';

export const WORKLOAD: Workload<NCF> = ncf(true);
