// golden.ts: golden runs on the instruction set that GRADCLIP_ISA names: one JSON line each. node golden.js FOLDER STEPS NAME...
import { goldenCurves } from '../golden/runs/models.ts';
import { type GoldenName, golden } from '../golden/runs/recipe.ts';

const [folder, steps, ...names] = process.argv.slice(2) as [string, string, ...GoldenName[]];
for (const name of names) console.log(JSON.stringify(await goldenCurves(name, golden(name, folder), Number(steps))));
