// print.ts: the hashes of training.ts under the engine that runs this, of the library as users import it.
import { bitsOf } from './kept.ts';
import { engineHashes } from './training.ts';

const bundle = new URL('../../bundle/index.js', import.meta.url).href;
const library = (await import(bundle)) as typeof import('../../lib/index.ts');
const hashes = await engineHashes(library, await import('../../lib/math/index.ts'));
const { bun, node } = process.versions;
const engine = bun === undefined ? `Node ${node}` : `Bun ${bun}`;
console.log(JSON.stringify({ engine, bits: bitsOf(library.runtime().isa), hashes }));
