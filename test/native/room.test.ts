// room.test.ts: how much memory there is, by files as the system writes them; and that what does not fit is refused before it is touched.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { addon } from '../../lib/native/addon.ts';
import { allocate, CompiledProgram } from '../../lib/native/program.ts';
import { checkRoom, type Roots, roomOf } from '../../lib/native/room.ts';
import { pretendSystem } from '../pretend.ts';
import { add, arena, program } from './kit.ts';

const NO_MEMORY = expect.objectContaining({ name: 'GradclipError', code: 'ERR_MEMORY' });
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** A tree of files, and where `roomOf` finds them. */
function tree(files: Readonly<Record<string, string | number>>): Roots {
  const at = mkdtempSync(join(tmpdir(), 'gradclip-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(at, name)), { recursive: true });
    writeFileSync(join(at, name), `${text}\n`);
  }
  return { proc: join(at, 'proc'), unified: [join(at, 'v2')], memory: join(at, 'v1') };
}
const meminfo = (available: number, swap = 0): string =>
  `MemTotal:       ${64 * 1024 * 1024} kB\nMemFree:          1000 kB\nMemAvailable:   ${available / 1024} kB\nSwapFree:       ${swap / 1024} kB`;
const machine = (available: number, swap = 0): Record<string, string> => ({ 'proc/meminfo': meminfo(available, swap) });

test('nothing is known where nothing can be read', () => {
  expect(roomOf(tree({}))).toBeNull();
  expect(() => checkRoom({ what: 'x' }, 2 ** 60, tree({}))).not.toThrow();
});

test('macOS: no more than the machine has beside this process; Windows refuses by itself', () => {
  pretendSystem('darwin');
  const { bytes, of } = roomOf(tree({}), GIB)!;
  const expected = totalmem() - process.memoryUsage.rss() - GIB;
  expect(of).toBe('the machine');
  expect(Math.abs(bytes - expected)).toBeLessThan(256 * MIB);
  expect(() => checkRoom({ what: 'x' }, totalmem(), tree({}))).toThrow(NO_MEMORY);
  pretendSystem('win32');
  expect(roomOf(tree({}))).toBeNull();
});

test('the machine: what is available, and its swap', () => {
  expect(roomOf(tree(machine(21 * GIB)))).toEqual({ bytes: 21 * GIB, of: 'the machine' });
  expect(roomOf(tree(machine(21 * GIB, 2 * GIB)))!.bytes).toBe(23 * GIB);
});

test.each<[string, Record<string, string | number>, number, string]>([
  [
    'version 2, a limit above: without the swap that the group may not have',
    {
      'proc/self/cgroup': '0::/kube/pod/box',
      'v2/kube/memory.max': 4 * GIB,
      'v2/kube/memory.current': 3 * GIB,
      'v2/kube/memory.swap.max': 0,
      'v2/kube/memory.swap.current': 0,
      'v2/kube/memory.stat': `anon 5\nactive_file ${GIB}\ninactive_file ${256 * MIB}\nslab 3`,
      'v2/kube/pod/memory.max': 'max',
      'v2/kube/pod/memory.current': 3 * GIB,
      'v2/kube/pod/box/memory.max': 3 * GIB,
      'v2/kube/pod/box/memory.current': GIB,
    },
    1280 * MIB,
    'the control group /kube',
  ],
  [
    'version 2 in a container, whose group is the root of what it sees',
    { 'proc/self/cgroup': '0::/docker/abc', 'v2/memory.max': 512 * MIB, 'v2/memory.current': 128 * MIB },
    1408 * MIB,
    'the control group /',
  ],
  [
    'version 1 beside an empty version 2',
    {
      'proc/self/cgroup': '9:name=systemd:/x\n5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/',
      'v1/memory.limit_in_bytes': '9223372036854771712',
      'v1/memory.usage_in_bytes': 3 * GIB,
      'v1/a/b/memory.limit_in_bytes': 2 * GIB,
      'v1/a/b/memory.usage_in_bytes': 1.5 * GIB,
      'v1/a/b/memory.memsw.limit_in_bytes': 2 * GIB,
      'v1/a/b/memory.memsw.usage_in_bytes': 1.5 * GIB,
      'v1/a/b/memory.stat': `inactive_file 1\ntotal_inactive_file ${100 * MIB}`,
    },
    612 * MIB,
    'the control group /a/b',
  ],
  [
    'more used than the limit, which was lowered',
    { 'proc/self/cgroup': '4:memory:/a', 'v1/a/memory.limit_in_bytes': GIB, 'v1/a/memory.usage_in_bytes': 3 * GIB },
    0,
    'the control group /a',
  ],
  [
    'limits of the process',
    {
      'proc/self/limits': `Limit   Soft Limit  Hard Limit  Units\nMax data size  ${2 * GIB}  unlimited  bytes\nMax address space  unlimited  unlimited  bytes`,
      'proc/self/status': `Name:\tnode\nVmSize:\t ${GIB / 1024} kB\nVmData:\t ${(GIB / 4) * (1 / 1024)} kB`,
    },
    1.75 * GIB,
    "the process's limit on its data",
  ],
])('%s', (_name, files, bytes, of) => {
  expect(roomOf(tree({ ...machine(8 * GIB, GIB), ...files }))).toEqual({ bytes, of });
});

test('what was given and is not touched is no limit on addresses', () => {
  const limits = {
    'proc/self/limits': `Max address space  ${4 * GIB}  unlimited  bytes`,
    'proc/self/status': `VmSize:\t ${(3 * GIB) / 1024} kB`,
  };
  expect(roomOf(tree({ ...machine(8 * GIB), ...limits }), 2 * GIB)).toMatchObject({ bytes: GIB });
  expect(roomOf(tree(machine(8 * GIB)), 2 * GIB)).toEqual({ bytes: 6 * GIB, of: 'the machine' });
});

test('the error says how much is asked for, how much there is, how much is missing, and what takes less', () => {
  const roots = tree(machine(21 * GIB));
  const untouched = addon().untouched();
  expect(() => checkRoom({ what: 'x' }, 20.5 * GIB - untouched, roots)).not.toThrow();
  const check = (): void => checkRoom({ what: 'a batch of 9 rows', advice: 'A smaller batchSize takes less' }, 22 * GIB, roots);
  expect(check).toThrow(NO_MEMORY);
  expect(check).toThrow(
    'a batch of 9 rows: 22.0 GiB of memory are asked for, and the machine has 21.0 GiB left: 1.03 GiB are missing. A smaller batchSize takes less',
  );
  const available = 21 * GIB - 32 * MIB - untouched;
  expect(check).toThrow(
    expect.objectContaining({ details: { asked: 22 * GIB, available, missing: 22 * GIB - available, of: 'the machine' } }),
  );
  // Too little to be worth a look.
  expect(() => checkRoom({ what: 'x' }, 63 * MIB, tree(machine(MIB)))).not.toThrow();
});

test('more than there is is refused by block and by arena, and nothing of it is touched', () => {
  const { rss } = process.memoryUsage();
  const more = 2 ** Math.ceil(Math.log2(roomOf()!.bytes + 1));
  expect(() => allocate(more)).toThrow(NO_MEMORY);
  const p = program([add(arena(0, 4), arena(0, 4), arena(0, 4))], { arenaBytes: more });
  expect(() => new CompiledProgram(p).bind([], { what: 'it' })).toThrow(/^it: .* are missing$/);
  expect(process.memoryUsage().rss - rss).toBeLessThan(64 * MIB);
});

test('what was given and is not touched yet is not there for others', () => {
  const before = addon().untouched();
  const [a, b] = [allocate(256 * MIB), allocate(128 * MIB)];
  expect(addon().untouched() - before).toBe(384 * MIB);
  a.write(0, new Uint8Array(64 * MIB).fill(1));
  expect(Math.abs(addon().untouched() - before - 320 * MIB)).toBeLessThanOrEqual(4 * MIB);
  const roots = tree(machine(448 * MIB + before));
  expect(() => checkRoom({ what: 'x' }, 100 * MIB, roots)).toThrow(NO_MEMORY);
  b.dispose();
  expect(() => checkRoom({ what: 'x' }, 90 * MIB, roots)).not.toThrow();
  a.dispose();
  expect(addon().untouched()).toBe(before);
});

test('a real group of version 1', (context) => {
  const path = /^\d+:memory:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  const folder = `/sys/fs/cgroup/memory${path === '/' ? '' : path}/gradclip-${process.pid}`;
  try {
    if (path === undefined) throw new Error('no memory controller of version 1');
    mkdirSync(folder);
  } catch (error) {
    console.warn(`skipped: ${(error as Error).message}`);
    context.skip();
  }
  try {
    // A build that sanitizers watch takes twice as much for itself.
    const limit = process.env.ASAN_OPTIONS === undefined ? 400 : 540;
    writeFileSync(join(folder, 'memory.limit_in_bytes'), String(limit * MIB));
    const script = 'dist/test/children/room.js';
    const enter = `echo $$ > ${folder}/tasks; exec "$0" ${script}`;
    const env = { ...process.env, GRADCLIP_POISON: '0', GRADCLIP_THREADS: String(Math.min(2, availableParallelism())) };
    const lines = execFileSync('bash', ['-c', enter, process.execPath], { encoding: 'utf8', env }).trim().split('\n');
    const [parameters, batch, data, fine] = lines.map((line) => JSON.parse(line) as string);
    const left = `of memory are asked for, and the control group ${path === '/' ? '' : path}/gradclip-${process.pid} has`;
    expect(parameters).toContain(`the values of parameters: 512 MiB ${left}`);
    expect(batch).toMatch(/^a batch of 4096 rows: .* are missing\. A smaller batchSize takes less$/);
    expect(data).toMatch(/^the copy of the data: 3\d\d MiB .* are missing\. Batches of a stream take less$/);
    expect(fine).toBe('trained');
  } finally {
    rmdirSync(folder);
  }
});
