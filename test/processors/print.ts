// print.ts: the hashes of hashes.ts under the engine that runs this, on its best instruction set, for run.ts. Its argument: shapes of each op.
import { runtime } from '../../lib/native/runtime.ts';
import { kernelHashes } from './hashes.ts';

const { isa } = runtime();
const { arch, version } = process;
console.log(JSON.stringify({ engine: `Node ${version} on ${arch}, ${isa}`, hashes: kernelHashes(isa, Number(process.argv[2])) }));
