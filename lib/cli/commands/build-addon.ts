// build-addon.ts: `gradclip build`: compiles the native add-on from the sources in the package, for machines that have no prebuilt one.
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AbortError, AddonError } from '../../errors.ts';
import { packageFolder } from '../../native/package.ts';
import { choice, whole } from '../../options/index.ts';
import type { Arguments, Command } from '../args.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import type { Screen } from '../screen.ts';

export const BUILD: Command = {
  name: 'build',
  operands: [],
  summary: 'Compile the native add-on, where no prebuilt one suits: with CMake and a C++ compiler, in a few minutes',
  more: ['Nothing is downloaded. What is built comes before what the package has prebuilt.'],
  flags: {
    to: {
      value: 'FOLDER',
      help: 'not into the package but into FOLDER/build/Release, which programs find by GRADCLIP_PREBUILD=FOLDER in their environment',
    },
    team: {
      value: 'NAME',
      help: 'where threads come from; without it OpenMP, where the compiler has it',
      takes: choice('openmp', 'threads').optional(),
    },
    jobs: {
      value: 'N',
      help: 'how many files are compiled at once; without it one for each CPU',
      takes: whole({ min: 1 }).optional(),
    },
  },
};

/** What scripts/build-native.mjs is asked for here. It is no part of the bundle, since a clone uses it before there is one. */
interface Builder {
  build(options: {
    readonly root: string;
    readonly to: string;
    readonly define: Readonly<Record<string, string>>;
    readonly jobs?: number;
    readonly tell: (text: string) => void;
    readonly signal: AbortSignal;
  }): Promise<{ readonly file: string; readonly isa: string; readonly threads: number; readonly team: 'openmp' | 'threads' }>;
}

export async function buildAddon(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const root = packageFolder();
  if (root === null)
    throw new AddonError('build: the sources are in the package gradclip, and this code is in a bundle: run npx gradclip build');
  const to = args.text('to');
  const jobs = args.number('jobs');
  const team = args.choice<'openmp' | 'threads' | undefined>('team');
  const { build } = (await import(pathToFileURL(join(root, 'scripts/build-native.mjs')).href)) as Builder;
  try {
    const built = await build({
      root,
      to: to === undefined ? root : resolve(io.cwd, to),
      define: team === undefined ? {} : { GRADCLIP_OPENMP: team === 'openmp' ? 'ON' : 'OFF' },
      ...(jobs !== undefined && { jobs }),
      tell: (text) => screen.tell(text),
      signal: io.signal,
    });
    screen.emit({ event: 'result', ...built });
    if (!screen.json) {
      const { file, isa, threads } = built;
      const whose = built.team === 'openmp' ? "OpenMP's" : 'native threads';
      screen.say(`built ${file}: ${isa}, ${threads} thread${threads === 1 ? '' : 's'} (${whose})`);
      if (to !== undefined) screen.say(`to use it: GRADCLIP_PREBUILD=${resolve(io.cwd, to)}`);
    }
    return EXIT.ok;
  } catch (error) {
    const { name, message, details } = error as Error & { readonly details?: Record<string, unknown> };
    if (name === 'AbortError') throw new AbortError('build: it was stopped; nothing has changed', {}, { cause: error });
    if (name === 'BuildError') throw new AddonError(message.split('\n'), details, { cause: error });
    throw error;
  }
}
