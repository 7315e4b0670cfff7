// threads.mjs: test/threads under ThreadSanitizer: gates, barriers, crews, runs and what works beside them, on native threads:
// the sanitizer cannot see how OpenMP waits. It must find nothing in binding/ as it is, and a race in each of some copies with one order taken out.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compile, copyOf, inFolder, link, root, SOURCES, say, watched } from './tsan.mjs';

const hammer = readdirSync(join(root, 'test/threads')).filter((name) => name.endsWith('.cc'));
const files = [...new Set([...SOURCES, ...hammer.map((name) => `test/threads/${name}`)])];

/** One order of memory or one wait that is left out: where, and what stands in its place. */
const PLANTED = [
  ['gate.h', 'value_.load(std::memory_order_acquire)', 'value_.load(std::memory_order_relaxed)'],
  [
    'gate.h',
    'value_.store(value_.load(std::memory_order_relaxed) + 1)',
    'value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed)',
  ],
  ['team.h', 'arrived_.fetch_add(1, std::memory_order_acq_rel)', 'arrived_.fetch_add(1, std::memory_order_relaxed)'],
  ['team.cc', 'if (size > 1) barrier->wait(size, spin_ns, [] {});', ''],
  ['region/threads.cc', 'start->counted.wait(0, 0);', ''],
  ['port/parking.h', '{ std::lock_guard<std::mutex> lock(lot.mutex); }', ''],
  ['turns.h', 'await(rank);\n    }\n    start_ = now_ns();', '}\n    start_ = now_ns();'],
  ['beside.h', 'return items_.empty() && !busy_; });', 'return items_.empty(); });'],
  ['bound.cc', 'if (!idle && member.team.rank == 0) chain(phase);', 'if (!idle) chain(phase);'],
];

/** So often is a copy with a planted race run until the race is seen. */
const MOST_RUNS = 20;

/** Within two minutes: what is whole takes seconds. */
const hammered = (folder, seed) => watched(folder, 'hammer', [String(seed)], 120_000);

/**
 * Whether a planted race is seen: by the sanitizer, or by the test's own expectations, which stop the program where a wrong value comes
 * first, or since it never ends, when a thread waits for what has come and gone. Which of them, and in which run, is a matter of how the threads
 * happen to meet.
 */
async function found(folder) {
  for (let seed = 1; seed <= MOST_RUNS; seed++) {
    const { code, text } = await hammered(folder, seed);
    if (code === null || /ThreadSanitizer: data race|^hammer: (?!done)/m.test(text)) return true;
  }
  return false;
}

await inFolder(async (work) => {
  for (const [k, planted] of [null, ...PLANTED].entries()) {
    const folder = join(work, String(k));
    const [name, from, to] = planted ?? [];
    copyOf(folder, planted && { name, from, to });
    await compile(folder, files);
    await link(
      folder,
      files.map((file) => `${file}.o`),
      'hammer',
    );
    if (planted) {
      say(await found(folder), `a race is found in ${name} without "${from}"`);
    } else {
      const { code, text } = await hammered(folder, 1);
      const clean = code === 0 && !text.includes('ThreadSanitizer');
      say(clean, 'binding/ as it is');
      if (!clean) console.log(text.slice(0, 8000));
    }
  }
});
