// missing.ts: why the native add-on does not load, and what helps: it was not built, lacks a library of the system, or is of another machine.
import { AddonError } from '../errors.ts';

const TOOLS = 'It takes CMake and a C++ compiler (Debian, Ubuntu: apt-get install cmake g++)';

/**
 * @param cause what loading it threw
 * @param checkout whether this is a checkout of the sources, where nobody has to allow the script
 */
export function addonError(cause: unknown, checkout: boolean): AddonError {
  const { message } = cause as Error;
  const first = message.split('\n')[0]!;
  if (message.startsWith('No native build was found')) {
    const text = 'The native add-on of gradclip is not built: its install script did not run, or failed.';
    const build = checkout
      ? ['npm run build:native']
      : [
          'npm:  npm rebuild gradclip (where npm blocks scripts, first: npm install-scripts approve gradclip)',
          'pnpm: pnpm approve-builds',
          'bun:  bun pm trust gradclip',
        ];
    return new AddonError([`${text} ${TOOLS}. Then:`, ...build], {}, { cause });
  }
  const [, library] = /^(\S+): cannot open shared object file/.exec(first) ?? [];
  if (library !== undefined && !library.includes('gradclip')) {
    const where = library.startsWith('libgomp') ? ' (Debian, Ubuntu: apt-get install libgomp1; Alpine: apk add libgomp)' : '';
    return new AddonError(
      `The native add-on of gradclip is built, but this system lacks ${library}${where}`,
      { library },
      { cause },
    );
  }
  const again = checkout ? 'npm run build:native' : 'npm rebuild gradclip';
  const text = `The native add-on of gradclip is there, but does not load: ${first}`;
  return new AddonError([text, `If it was built on another machine, build it here: ${again}. ${TOOLS}.`], {}, { cause });
}
