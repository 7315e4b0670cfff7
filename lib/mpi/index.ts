// index.ts: several processes that train together.
export type { Group } from './group.ts';
export { init } from './init.ts';
