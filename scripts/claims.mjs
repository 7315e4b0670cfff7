// claims.mjs: `npm run -s measure:claims` tries published claims about clipping at small scale, and prints a table of Markdown, then how each was tried.
// Some: `-- --only zclip,agc`; `--json`: a line each, `--from FILE` takes such lines in place of trying again, `--into PAGE` writes into docs/CLAIMS.md.
// Some minutes.
import { readFileSync, writeFileSync } from 'node:fs';
import { FULL } from '../dist/bench/claims/claim.js';
import { CLAIMS, claimsMethod, claimsTable, withClaims } from '../dist/bench/claims/list.js';

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : (process.argv[at + 1] ?? '');
};
const fail = (message) => {
  console.error(message);
  process.exit(2);
};
const names = option('--only')?.split(',') ?? CLAIMS.map(({ name }) => name);
const unknown = names.find((name) => !CLAIMS.some((claim) => claim.name === name));
if (unknown !== undefined) fail(`no claim ${unknown}: one of ${CLAIMS.map(({ name }) => name).join(', ')}`);
const json = process.argv.includes('--json');
const from = option('--from');
const told =
  from === null
    ? null
    : new Map(
        readFileSync(from, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
          .map((found) => [found.name, found]),
      );

const outcomes = CLAIMS.filter(({ name }) => names.includes(name)).map((claim) => {
  if (told) {
    const found = told.get(claim.name) ?? fail(`${from} has no line of ${claim.name}`);
    return [claim, { verdict: found.verdict, figures: found.figures }];
  }
  const began = performance.now();
  const outcome = claim.run(FULL);
  const seconds = Math.round((performance.now() - began) / 1000);
  if (json) console.log(JSON.stringify({ name: claim.name, ...outcome, seconds }));
  else console.error(`${claim.name}: ${outcome.verdict} (${seconds} s)`);
  return [claim, outcome];
});
const into = option('--into');
if (into !== null) writeFileSync(into, withClaims(readFileSync(into, 'utf8'), outcomes));
else if (!json) console.log(`${claimsTable(outcomes)}\n\n${claimsMethod(outcomes.map(([claim]) => claim))}`);
