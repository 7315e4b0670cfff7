// loading.test.ts: which native add-on is loaded, and what is said of one that is missing or does not load: every failure is made, and the whole text
// compared. In copies of the package and in processes of their own, of the build of this checkout.
import { chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMPILED } from '../kit.ts';
import { NOT_THERE } from './loading/absent.ts';
import { BUNDLERS } from './loading/kit.ts';
import { REFUSED } from './loading/refused.ts';
import { SEEN } from './loading/seen.ts';
import { ask, codeOf, installed, type Package, PREBUILT, ROOT, type Said, type Start } from './package-kit.ts';

function inWords({ error }: Said, it: Package): unknown {
  const text = JSON.stringify(error)
    .replaceAll(it.folder, 'PACKAGE')
    .replaceAll(it.project, 'PROJECT')
    .replaceAll(`Node.js ${process.versions.node}`, 'ENGINE')
    .replaceAll(/uid \d+/g, 'uid UID');
  return JSON.parse(text) as unknown;
}

describe.skipIf(!COMPILED).each([
  ['there is none', NOT_THERE],
  ['it is seen not to load', SEEN],
  ['the system does not load it', REFUSED],
] as const)('%s', (_, cases) => {
  it.concurrent.each(cases.filter(({ unless }) => !unless))(
    '$name',
    async ({ folder, make, text, reason, details = {}, cause = null }) => {
      const of = await installed(folder);
      const said = await ask(of, (make(of) ?? {}) as Start);
      expect(inWords(said, of)).toMatchObject({
        name: 'AddonError',
        code: 'ERR_ADDON',
        message: text.join('\n'),
        details: { reason, ...details },
        cause: cause instanceof RegExp ? expect.stringMatching(cause) : cause,
      });
    },
  );
});

describe.skipIf(!COMPILED)('which is loaded', () => {
  const loads = async (make: (it: Package) => unknown, origin: string, file: string): Promise<Said> => {
    const of = await installed();
    const said = await ask(of, (make(of) ?? {}) as Start);
    expect(said).toMatchObject({ runtime: { binary: join(of.folder, file), origin, libc: 'glibc' } });
    return said;
  };

  it.concurrent('that of the package', () =>
    loads(
      (it) => {
        it.link(PREBUILT);
        // As release:prebuilds leaves it.
        it.write('prebuilds/SHA256SUMS', '');
      },
      'prebuilt',
      PREBUILT,
    ));

  it.concurrent('one compiled here rather than that', () =>
    loads(
      (it) => {
        it.link(PREBUILT);
        it.link('build/Release/gradclip.node');
      },
      'source build',
      'build/Release/gradclip.node',
    ));

  it.concurrent('one that GRADCLIP_PREBUILD names rather than both', () =>
    loads(
      (it) => {
        it.link(`other/${PREBUILT}`);
        it.link('build/Release/gradclip.node');
        return { env: { GRADCLIP_PREBUILD: join(it.folder, 'other') } };
      },
      'GRADCLIP_PREBUILD',
      `other/${PREBUILT}`,
    ));

  // What node-gyp-build goes by.
  it.concurrent.each([{ LIBC: 'musl' }, { npm_config_arch: 'mips' }, { npm_config_platform: 'sunos' }])(
    'that of this process, whatever the environment says: %o',
    async (env) => {
      const said = await loads(
        (it) => {
          it.link(PREBUILT);
          it.write(PREBUILT.replace('glibc', 'musl'), '');
          return { env };
        },
        'prebuilt',
        PREBUILT,
      );
      expect(said.leaked).toEqual([]);
    },
  );

  it.concurrent('without node-gyp-build, which somebody has pruned', () =>
    loads(
      (it) => {
        it.link(PREBUILT);
        chmodSync(join(it.project, 'node_modules/node-gyp-build/node-gyp-build.js'), 0o644);
        it.write('../node-gyp-build/package.json', '{ "main": "gone.js" }');
      },
      'prebuilt',
      PREBUILT,
    ));

  it.concurrent('one compiled here, without it', () =>
    loads(
      (it) => {
        it.link('build/Release/gradclip.node');
        it.write('../node-gyp-build/package.json', '{ "main": "gone.js" }');
      },
      'source build',
      'build/Release/gradclip.node',
    ));

  it.concurrent('from a folder with spaces and letters of all kinds', async () => {
    const of = await installed('Ordner mit Leerzeichen/日本 $x %41 #1/gradclip');
    of.link(PREBUILT);
    expect(await ask(of)).toMatchObject({ runtime: { binary: join(of.folder, PREBUILT) } });
  });
});

describe.skipIf(!COMPILED)('in a bundle of somebody', () => {
  const all = join(ROOT, 'dist/bundle/index.js');
  const LEAVE = 'Leave the package out, and install it where the bundle runs:';
  const gone = join(tmpdir(), 'gradclip-gone', 'node_modules/gradclip/dist/bundle/index.js');
  // What esbuild, and what webpack, put in place of import.meta.url.
  const BUNDLES: readonly (readonly [string, Parameters<typeof codeOf>[0], string])[] = [
    ['a module', { input: all }, ' (PROJECT/app.mjs)'],
    ['CommonJS, which does not say where it is', { input: all, format: 'cjs', url: 'undefined' }, ''],
    ['of a folder that is gone', { input: all, format: 'cjs', url: JSON.stringify(pathToFileURL(gone)) }, ` (${gone})`],
  ];
  it.concurrent.each(BUNDLES)('%s', async (_, options, where) => {
    const of = await installed('elsewhere');
    const file = join(of.project, options.format === 'cjs' ? 'app.cjs' : 'app.mjs');
    of.write('../package.json', '{ "name": "gradclip", "version": "7.0.0" }');
    of.write(relative(of.folder, file), await codeOf(options));
    expect(inWords(await ask(of, { file }), of)).toMatchObject({
      message: [
        `The code of gradclip is in a bundle${where}, and its native add-on is not beside it. ${LEAVE}`,
        ...BUNDLERS,
      ].join('\n'),
      details: { reason: 'bundled' },
    });
  });

  it.concurrent('with the add-on beside it', async () => {
    const of = await installed('elsewhere');
    of.link(`../${PREBUILT}`);
    of.write('../package.json', '{ "name": "somebody", "version": "7.0.0" }');
    of.write('../app.mjs', await codeOf({ input: all }));
    expect(await ask(of, { file: join(of.project, 'app.mjs') })).toMatchObject({
      runtime: { binary: join(of.project, PREBUILT), origin: 'prebuilt' },
    });
  });
});
