// worker.ts: a thread that does jobs of a search, one after the other: it imports the module that has `make`.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { OptionError } from '../errors.ts';
import { type Answer, failureOf, type Module, type Task } from './pool.ts';
import { runJob } from './trial.ts';

type Make = (params: Task['params'], seed: number, data: unknown) => unknown;

const port = parentPort as MessagePort;
const { url, data } = workerData as Module;
let make: Promise<Make> | undefined;

/** @throws OptionError where the module exports no such function */
async function load(): Promise<Make> {
  const module = (await import(url)) as { readonly make?: unknown; readonly default?: unknown };
  const found = module.make ?? module.default;
  if (typeof found === 'function') return found as Make;
  throw new OptionError(`tune: option make: ${url} exports no function make`, { value: url });
}

port.on('message', async (task: Task) => {
  let answer: Answer;
  try {
    make ??= load();
    const made = await make;
    answer = { done: await runJob(() => made(task.params, task.seed, data), task, undefined) };
  } catch (error) {
    answer = { failed: failureOf(error) };
  }
  const state = 'done' in answer ? answer.done.state : null;
  port.postMessage(answer, state === null ? [] : [state.buffer as ArrayBuffer]);
});
