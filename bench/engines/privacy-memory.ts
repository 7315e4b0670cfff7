// privacy-memory.ts: `node privacy-memory.js WORKLOAD WAY THREADS`: the memory of a few steps, for privacy.ts.
import { memoryOf, type Way } from './privacy.ts';

const [name, way, threads] = process.argv.slice(2) as [string, Way, string];
process.stdout.write(`${JSON.stringify(await memoryOf(name, way, Number(threads)))}\n`);
