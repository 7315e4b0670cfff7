// interpret.ts: the independent truth that compiled programs are compared with: a graph node by node through the ops' `ref`.
export { allocate, interpret } from '../lib/ir/interpret.ts';
