// child.ts: node child.js FOLDER EVERY: trains to the end, in silence, unless it is killed.
import { train } from './training.ts';

const [folder, every] = process.argv.slice(2) as [string, string];
await train(folder, { every: Number(every), keep: 2 });
