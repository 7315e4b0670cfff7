// names.mjs: whether package.json names what a release needs: the repository that npm asks provenance of, and the version that the tag is of.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @param tag the tag that a release is made of, if there is one yet. @returns faults */
export function nameFaults({ version, repository }, tag) {
  const url = typeof repository === 'object' ? repository?.url : repository;
  const named = typeof url === 'string' && url !== '';
  return [
    ...(named ? [] : ['package.json: expected `repository` to name the repository that it is published from, got none']),
    ...(!tag || tag === `v${version}` ? [] : [`package.json is of version ${version}: expected the tag v${version}, got ${tag}`]),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const faults = nameFaults(manifest, process.env.GITHUB_REF_NAME);
  for (const fault of faults) console.error(`release: ${fault}`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
