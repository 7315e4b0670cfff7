// record-behind.test.ts: a record on a disk that is slower than that of the checkpoints: no checkpoint is ahead of it, whenever the process is killed.
import fs, { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { io } from '../../../lib/index.ts';
import { classifier, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'behind-'));
const { write } = fs;
afterAll(() => {
  fs.write = write;
  syncBuiltinESMExports();
  rmSync(folder, { recursive: true });
});

test.each(['checkpoint', 'save'])('%s', async (by) => {
  const [file, record] = [join(folder, `${by}.safetensors`), join(folder, `${by}.jsonl`)];
  fs.write = ((...given: Parameters<typeof write>) => setTimeout(() => write(...given), 20)) as unknown as typeof write;
  syncBuiltinESMExports();
  const trainer = classifier();
  const ahead: string[] = [];
  let seen = 0;
  const look = async (): Promise<void> => {
    if (!fs.existsSync(file)) return;
    const { attempt } = JSON.parse((await io.inspectSafetensors(file)).metadata['gradclip.counters']!) as { attempt: number };
    const steps = readFileSync(record, 'utf8').split('\n').length - 2;
    seen = Math.max(seen, attempt);
    if (attempt > steps) ahead.push(`${attempt} > ${steps}`);
  };
  const follow = { onSteps: () => (by === 'save' ? trainer.save(file) : undefined) };
  const checkpoint = by === 'save' ? {} : { checkpoint: { file, every: { steps: 1 } } };
  const run = trainer.fit(points(64), { steps: 12, chunkSteps: 1, record, callbacks: [follow], ...checkpoint });
  let on = true;
  const looking = (async () => {
    for (; on; await new Promise((resolve) => setTimeout(resolve, 1))) await look();
  })();
  await run;
  on = false;
  await looking;
  await look();
  expect(seen).toBe(12);
  expect(ahead).toEqual([]);
});
