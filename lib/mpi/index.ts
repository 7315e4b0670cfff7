// index.ts: several processes that train together.
export { Group } from './group.ts';
export { init } from './init.ts';
