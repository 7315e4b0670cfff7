// bytes.test.ts: what `save` gives without a file, or writes to a stream, is what it writes to a file, and `load` takes it.
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError, clip, DataError, io, OptionError, preprocess } from '../../../lib/index.ts';
import { bits, classifier, MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-bytes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const data = points(40);
const rich = (options: Parameters<typeof classifier>[0] = {}): ReturnType<typeof classifier> =>
  classifier({
    clip: clip.autoClip(50),
    ema: { decay: 0.9 },
    plateau: { factor: 0.5, patience: 0 },
    preprocess: { x: preprocess.standardize().fit(data.x) },
    ...options,
  });
const how = { validation: data, earlyStop: { patience: 9 }, steps: 7 } as const;

/** All chunks of a stream of the web. */
function collector(): {
  readonly stream: WritableStream<Uint8Array>;
  readonly bytes: () => Buffer;
  readonly closed: () => boolean;
} {
  const chunks: Uint8Array[] = [];
  let closed = false;
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => void chunks.push(chunk.slice()),
    close: () => {
      closed = true;
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks), closed: () => closed };
}

describe('save', () => {
  it.each([{}, { weightsOnly: true }, { weightsOnly: true, weights: 'ema' }, { metadata: { note: 'x' } }] as const)(
    'gives and streams what it writes to a file: %o',
    async (options) => {
      const trainer = rich();
      await trainer.fit(data, how);
      await trainer.save(at('file'), options);
      const file = readFileSync(at('file'));
      const given = Object.keys(options).length === 0 ? await trainer.save() : await trainer.save(options);
      expect(given.constructor).toBe(Uint8Array);
      expect(given.byteLength).toBe(given.buffer.byteLength);
      expect(Buffer.compare(given, file)).toBe(0);
      const out = createWriteStream(at('stream'));
      expect(await trainer.save(out, options)).toBeUndefined();
      expect(out.writableFinished).toBe(true);
      expect(Buffer.compare(readFileSync(at('stream')), file)).toBe(0);
      const { stream, bytes, closed } = collector();
      await trainer.save(stream, options);
      expect(closed()).toBe(true);
      expect(Buffer.compare(bytes(), file)).toBe(0);
    },
  );

  it('a stream takes what it can: parts of 256 KiB, when it asks for them', async () => {
    const trainer = classifier({ model: new MLP([6, 50_000, 2]) });
    const sizes: number[] = [];
    let [inside, most] = [0, 0];
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Uint8Array, _, done) {
        sizes.push(chunk.length);
        most = Math.max(most, ++inside);
        setImmediate(() => {
          inside--;
          done();
        });
      },
    });
    await trainer.save(slow, { weightsOnly: true });
    expect(Math.max(...sizes)).toBe(1 << 18);
    expect(most).toBe(1);
    expect(sizes.reduce((a, b) => a + b)).toBe((await trainer.save({ weightsOnly: true })).length);
  });

  it('to the response of a server, while a fit is on', async () => {
    const trainer = classifier();
    const server = createServer((_, response) => void trainer.save(response)).listen(0);
    const run = trainer.fit(data, { steps: 60, chunkSteps: 2 });
    const { port } = server.address() as AddressInfo;
    const other = classifier();
    await other.load(new Uint8Array(await (await fetch(`http://localhost:${port}`)).arrayBuffer()));
    await run;
    server.close();
    server.closeAllConnections();
    for (const t of [trainer, other]) await t.fit(data, { steps: 70 - t.counters.step });
    expect(await bits(other)).toBe(await bits(trainer));
  });

  it('a stream that fails, is closed, or is locked is a DataError with the reason', async () => {
    const trainer = classifier();
    const failing = new Writable({ write: (_, __, done) => done(Object.assign(new Error('no space'), { code: 'ENOSPC' })) });
    const failed = trainer.save(failing);
    await expect(failed).rejects.toThrow(DataError);
    await expect(failed).rejects.toThrow('save: the stream took no more: no space');
    await expect(failed).rejects.toMatchObject({ details: { code: 'ENOSPC' }, cause: { message: 'no space' } });
    expect(failing.destroyed).toBe(true);
    for (const close of [['end'], ['destroy'], ['end', 'destroy']] as const) {
      const closed = new PassThrough();
      for (const how of close) closed[how]();
      await expect(trainer.save(closed)).rejects.toThrow('save: the stream took no more: it has ended before');
    }
    const { stream } = collector();
    stream.getWriter();
    await expect(trainer.save(stream)).rejects.toThrow(DataError);
    await expect(trainer.save(new WritableStream({ write: () => Promise.reject(new Error('gone')) }))).rejects.toThrow(/gone/);
    await trainer.fit(data, { steps: 1 });
  });

  it('what is neither is refused', async () => {
    const trainer = classifier();
    for (const [wrong, message] of [
      [3, /argument to: expected a text, or a stream that bytes can be written to, or an object of options, got 3/],
      [new Uint8Array(3), /argument to: expected/],
      [{ weightOnly: true }, /unknown option weightOnly; did you mean weightsOnly\?/],
      ['', /argument to: expected/],
    ] as const) {
      await expect(trainer.save(wrong as never)).rejects.toThrow(message);
      await expect(trainer.save(wrong as never)).rejects.toThrow(OptionError);
    }
    await expect(trainer.save({ weights: 'ema' })).rejects.toThrow(OptionError);
  });
});

describe('load', () => {
  it('goes on from bytes as from a file', async () => {
    const [trainer, other] = [rich(), rich({ seed: 7 })];
    await trainer.fit(data, how);
    const bytes = await trainer.save();
    expect(await other.load(bytes)).toEqual({ missing: [], extra: [] });
    for (const t of [trainer, other]) await t.fit(data, how);
    expect(await bits(other)).toBe(await bits(trainer));
    expect(other.counters).toEqual(trainer.counters);
  });

  it('bytes are what they are when it is called', async () => {
    const [trainer, other] = [classifier(), classifier({ seed: 7 })];
    const bytes = await trainer.save();
    const loaded = other.load(bytes);
    bytes.fill(0);
    await loaded;
    expect(await bits(other)).toBe(await bits(trainer));
    const offset = Buffer.concat([Buffer.alloc(3), await trainer.save()]).subarray(3);
    expect(await classifier().load(offset)).toEqual({ missing: [], extra: [] });
  });

  it('has the limits and errors of files, and changes nothing then', async () => {
    const trainer = classifier();
    const bytes = await trainer.save();
    await trainer.fit(data, { steps: 2 });
    const before = await bits(trainer);
    await expect(trainer.load(bytes, { maxBytes: 99 })).rejects.toThrow(/<bytes>: expected at most 99 bytes \(option maxBytes\)/);
    await expect(trainer.load(new Uint8Array(0))).rejects.toThrow(
      /<bytes>: offset 0: expected a safetensors file, got an empty file/,
    );
    await expect(trainer.load(bytes.subarray(0, bytes.length - 1))).rejects.toThrow(DataError);
    await expect(trainer.load(Buffer.from('{"a": 1}'))).rejects.toThrow(/<bytes>.*got JSON/);
    const other = await classifier({ model: new MLP([6, 8, 2]) }).save({ weightsOnly: true });
    await expect(trainer.load(other)).rejects.toThrow(CheckpointError);
    await expect(trainer.load(bytes.buffer as never)).rejects.toThrow(OptionError);
    expect(await bits(trainer)).toBe(before);
    const { tensors } = io.parseSafetensors(other);
    expect([...tensors.keys()]).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
  });
});
