// generate.ts: text that a model of a workload writes, token by token: near its beginning, near the end of the context, and all of it.
import { type Cell, type Sample, sampleOf } from '../../lib/cli/bench/sample.ts';
import type { GPT } from '../../lib/models/gpt.ts';
import type { NdArray } from '../../lib/train/feed/source.ts';
import { generate, generateStream } from '../../lib/train/generate/generate.ts';
import { predicting } from '../../lib/train/generate/next.ts';
import type { Writer } from '../../lib/train/generate/writers.ts';
import { Weights } from '../../lib/train/programs/weights.ts';
import { fillParameters, loadWorkload } from '../workload.ts';

/** Tokens that are timed after the first of a text. */
const SOME = 15;

export async function generateCell(name: string, threads: number): Promise<Cell> {
  process.env.GRADCLIP_THREADS = String(threads);
  const WORKLOAD = await loadWorkload<GPT>(name);
  const model = WORKLOAD.model();
  fillParameters(model, WORKLOAD.bounds);
  const parameters = new Map(Array.from(model.namedParameters(), ([n, p]) => [n, { data: p.data, shape: p.shape }]));
  const writer: Writer = { model, readParameters: () => parameters };
  const { context } = model;
  const prompt = Int32Array.from(WORKLOAD.batch().x.data as ArrayLike<number>).subarray(0, context);
  const greedy = { temperature: 0 } as const;

  /** Tokens `from` to `to` of a text, each by itself: before the first of them so many were given. */
  const tokens = async (from: number, count: number): Promise<number[]> => {
    const times: number[] = [];
    const stream = generateStream(writer, { prompt: prompt.subarray(0, from), length: count + 1, ...greedy });
    await stream.next();
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await stream.next();
      times.push(performance.now() - start);
    }
    await stream.return();
    return times;
  };
  const timed = async (seconds: number, call: () => Promise<readonly number[]>): Promise<Sample> => {
    const times: number[] = [];
    const end = performance.now() + seconds * 1000;
    while (times.length === 0 || performance.now() < end) times.push(...(await call()));
    return sampleOf(times, 1);
  };
  const whole = async (count: number, from: number): Promise<number[]> => {
    const start = performance.now();
    await generate(writer, { prompt: prompt.subarray(0, from), length: count, ...greedy });
    return [(performance.now() - start) / count];
  };
  return {
    info: { params: model.parameters().reduce((n, p) => n + p.size, 0), logits: await firstLogits(model, parameters, prompt) },
    variants: {
      first: (seconds) => timed(seconds, () => tokens(1, SOME)),
      last: (seconds) => timed(seconds, () => tokens(context - SOME, SOME)),
      text: (seconds) => timed(seconds, () => whole(context, 1)),
      prompt: (seconds) => timed(seconds, () => whole(1, context)),
    },
  };
}

/** After 48 tokens, of which the last 16 are given one by one. */
async function firstLogits(model: GPT, parameters: ReadonlyMap<string, NdArray>, tokens: Int32Array): Promise<number[]> {
  const weights = new Weights(model);
  const next = predicting(model)(weights, 1);
  weights.write(parameters);
  let logits = await next.after([[...tokens.subarray(0, 32)]]);
  for (const token of tokens.subarray(32, 48)) logits = await next.after([[token]]);
  next.dispose();
  weights.dispose();
  return [...logits.subarray(0, 3)];
}
