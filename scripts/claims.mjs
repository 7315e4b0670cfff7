// claims.mjs: `npm run -s measure:claims` tries published claims about clipping at small scale, and prints a table of Markdown, then how each was tried;
// some: `-- --only zclip,agc`; `-- --json` a line each. Minutes.
import { FULL } from '../dist/bench/claims/claim.js';
import { CLAIMS, claimsMethod, claimsTable } from '../dist/bench/claims/list.js';

const at = process.argv.indexOf('--only');
const names = at < 0 ? CLAIMS.map(({ name }) => name) : (process.argv[at + 1] ?? '').split(',');
const unknown = names.find((name) => !CLAIMS.some((claim) => claim.name === name));
if (unknown !== undefined) {
  console.error(`no claim ${unknown}: one of ${CLAIMS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const json = process.argv.includes('--json');
const outcomes = CLAIMS.filter(({ name }) => names.includes(name)).map((claim) => {
  const began = performance.now();
  const outcome = claim.run(FULL);
  const seconds = Math.round((performance.now() - began) / 1000);
  if (json) console.log(JSON.stringify({ name: claim.name, ...outcome, seconds }));
  else console.error(`${claim.name}: ${outcome.verdict} (${seconds} s)`);
  return [claim, outcome];
});
if (!json) console.log(`${claimsTable(outcomes)}\n\n${claimsMethod(outcomes.map(([claim]) => claim))}`);
