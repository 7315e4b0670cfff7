// bits.ts: hashes of the weights of every variant after STEPS, on the instruction set that GRADCLIP_ISA names. node bits.js STEPS
import { plainHash, VARIANTS } from '../train/variants.ts';

const steps = Number(process.argv[2]);
const hashes: Record<string, string> = {};
for (const [name, variant] of Object.entries(VARIANTS)) hashes[name] = await plainHash(variant, steps);
console.log(JSON.stringify(hashes));
