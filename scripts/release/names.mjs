// names.mjs: whether package.json names what a release needs: the repository that npm asks provenance of, which is the one that publishes, and the
// version that the tag is of.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What package.json says of the package. */
export const readManifest = () => JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/**
 * The one place that names a repository is `repository` of package.json; npm derives `homepage` and `bugs` of it, and so does this.
 * @returns its name (`owner/name`) and addresses; null where there is none
 */
export function addressesOf({ repository }) {
  const said = typeof repository === 'object' ? repository?.url : repository;
  const [, host, name] = /^(?:git\+)?https:\/\/([^/]+)\/([^/]+\/[^/]+?)(?:\.git)?$/.exec(said ?? '') ?? [];
  if (!name) return null;
  const page = `https://${host}/${name}`;
  return { name, page, homepage: `${page}#readme`, bugs: `${page}/issues` };
}

/**
 * @param tag that a release is made of, if there is one yet
 * @param runsIn name of the repository that publishes, where that is known
 * @returns faults
 */
export function nameFaults(manifest, { tag, runsIn } = {}) {
  const { version } = manifest;
  const addresses = addressesOf(manifest);
  const where = 'package.json: expected `repository` to name the repository that it is published from';
  return [
    ...(addresses ? [] : [`${where}, as git+https://HOST/OWNER/NAME.git, got ${JSON.stringify(manifest.repository) ?? 'none'}`]),
    ...(!addresses || !runsIn || addresses.name === runsIn ? [] : [`${where}, ${runsIn}, got ${addresses.name}`]),
    ...(!tag || tag === `v${version}` ? [] : [`package.json is of version ${version}: expected the tag v${version}, got ${tag}`]),
  ];
}

/** What a workflow on GitHub says of itself. */
export const workflow = () => ({ tag: process.env.GITHUB_REF_NAME, runsIn: process.env.GITHUB_REPOSITORY });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = nameFaults(readManifest(), workflow());
  for (const fault of faults) console.error(`release: ${fault}`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
