// space.ts: what users have of search spaces: `space`.
export { choice, type IntegerOptions, integer, log, uniform } from '../tune/space.ts';
