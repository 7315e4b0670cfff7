// halving.test.ts: who goes on, against a plain account of what was delivered; and what a search may spend.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Halving, type HalvingPlan, type Job, rungsOf } from '../../lib/tune/halving.ts';

it('rungs', () => {
  expect(rungsOf(2700, 4, 3)).toEqual([100, 300, 900, 2700]);
  expect(rungsOf(1000, 4, 3)).toEqual([38, 112, 334, 1000]);
  expect(rungsOf(1000, 3, 10)).toEqual([10, 100, 1000]);
  expect(rungsOf(100, 1, 3)).toEqual([100]);
  // A first rung of fewer than 8 steps says nothing; a training of fewer has one rung.
  expect(rungsOf(100, 6, 3)).toEqual([12, 34, 100]);
  expect(rungsOf(5, 4, 3)).toEqual([5]);
});

const PLAN: HalvingPlan = {
  lengthOf: () => 270,
  most: 27,
  reduction: 3,
  rungs: 4,
  steps: Infinity,
  finalists: 3,
  repeats: 2,
  keeps: false,
};

interface Done extends Job {
  readonly score: number;
}

/** Jobs in the order of their ends, `side` at a time. @param scoreOf of trial after so many steps */
function simulate(halving: Halving, side: number, scoreOf: (job: Job) => number): Done[] {
  const running: { job: Job; end: number }[] = [];
  const done: Done[] = [];
  let now = 0;
  for (;;) {
    while (running.length < side) {
      const job = halving.next();
      if (!job) break;
      running.push({ job, end: now + job.to - job.from });
    }
    if (running.length === 0) return done;
    running.sort((a, b) => a.end - b.end);
    const { job, end } = running.shift()!;
    now = end;
    const score = scoreOf(job);
    halving.deliver(job, { score, steps: job.to - job.from, over: !Number.isFinite(score), cut: false });
    done.push({ ...job, score });
  }
}

it('one at a time, of 27 trials 9, 3 and 1 go on, the best ones where scores keep their order', () => {
  // Worst first: each that comes is the best so far, so all that go on are late ones.
  const halving = new Halving(PLAN);
  const done = simulate(halving, 1, ({ trial, repeat }) => 100 - trial + repeat / 10);
  halving.settle();
  const at = (to: number): number[] => [...new Set(done.filter((d) => d.to === to && d.repeat === 0).map((d) => d.trial))];
  expect(at(10)).toHaveLength(27);
  expect(halving.finalists).toEqual([26, 25, 24]);
  expect(halving.repeats).toBe(2);
  expect(done.filter((d) => d.repeat > 0).map((d) => [d.trial, d.repeat, d.from, d.to])).toHaveLength(6);
  expect(halving.stage).toBe('over');
});

const plans = fc.record({
  most: fc.integer({ min: 1, max: 60 }),
  reduction: fc.integer({ min: 2, max: 4 }),
  rungs: fc.integer({ min: 1, max: 5 }),
  length: fc.integer({ min: 20, max: 500 }),
  trainings: fc.option(fc.integer({ min: 1, max: 40 })),
  finalists: fc.integer({ min: 1, max: 4 }),
  repeats: fc.integer({ min: 0, max: 3 }),
  keeps: fc.boolean(),
  side: fc.integer({ min: 1, max: 6 }),
  scores: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 }),
  bad: fc.integer({ min: 0, max: 9 }),
});

/** The last one that comes to the last rung but one is better than those that are trained to the end, and nothing is left to train it. */
const OVERTAKEN = {
  ...{ most: 18, reduction: 3, rungs: 3, length: 436, trainings: 5, finalists: 1, repeats: 0, keeps: false, side: 1, bad: 1 },
  scores: [0.011000000000000001, 0.007000000000000001, 0, 0, 0, 0, 0.006000000000000001, 0],
};

it('whatever the plan: nothing is trained twice, who goes on was among the best, the budget holds, and the same is the same', () => {
  fc.assert(
    fc.property(plans, ({ most, length, trainings, side, scores, bad, ...rest }) => {
      const steps = trainings === null ? Infinity : trainings * length;
      const plan: HalvingPlan = { ...rest, most, lengthOf: () => length, steps };
      const scoreOf = ({ trial, repeat, to }: Job): number =>
        (trial * 7 + to) % 10 < bad && trial % 3 === 1 ? Infinity : scores[(trial * 5 + repeat * 3 + to) % 8]! + trial / 1000;
      const halving = new Halving(plan);
      const done = simulate(halving, side, scoreOf);
      halving.settle();
      const rungs = rungsOf(length, plan.rungs, plan.reduction);
      const trained = new Map<string, number>();
      const scoresAt = rungs.map(() => [] as { trial: number; score: number }[]);
      for (const { trial, repeat, from, to, score } of done) {
        const key = `${trial} ${repeat}`;
        expect(trained.get(key) ?? 0).toBe(from);
        trained.set(key, to);
        if (repeat > 0) expect(from).toBe(0);
        else expect([0, ...rungs]).toContain(from);
        const rung = rungs.indexOf(to);
        if (repeat === 0) scoresAt[rung]!.push({ trial, score });
      }
      const spent = done.reduce((n, { from, to }) => n + to - from, 0);
      expect(halving.steps).toBe(spent);
      // One whole training there must be.
      expect(spent).toBeLessThanOrEqual(Math.max(steps, length + rungs[0]!));
      expect(halving.begun).toBeLessThanOrEqual(most);
      for (const trial of halving.finalists) {
        expect(trained.get(`${trial} 0`)).toBe(length);
        for (let r = 1; r <= halving.repeats; r++) expect(trained.get(`${trial} ${r}`)).toBe(length);
      }
      const fine = done.every(({ trial, repeat, score }) => trial > 0 || repeat > 0 || Number.isFinite(score));
      if (plan.keeps && fine && halving.finalists.length > 1) expect(halving.finalists).toContain(0);
      expect(new Set(halving.ranking()).size).toBe(halving.begun);
      const again = new Halving(plan);
      expect(simulate(again, side, scoreOf)).toEqual(done);
    }),
    { numRuns: 300, examples: [[OVERTAKEN]] },
  );
});

it('one at a time, who goes on is among the best part of its rung at that moment', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 2, max: 4 }), (salt, reduction) => {
      const halving = new Halving({ ...PLAN, most: 40, reduction, finalists: 1, repeats: 0 });
      const scoreOf = ({ trial, to }: Job): number => ((trial * 7919 + to * 104729 + salt) % 1009) / 1009;
      const at = new Map<number, { trial: number; score: number }[]>();
      for (let job = halving.next(); job; job = halving.next()) {
        if (job.from > 0 && halving.stage === 'search') {
          const rung = at.get(job.from)!;
          const place = [...rung]
            .sort((a, b) => a.score - b.score || a.trial - b.trial)
            .findIndex(({ trial }) => trial === job.trial);
          expect(place).toBeLessThan(Math.floor(rung.length / reduction));
        }
        const score = scoreOf(job);
        at.set(job.to, [...(at.get(job.to) ?? []), { trial: job.trial, score }]);
        halving.deliver(job, { score, steps: job.to - job.from, over: false, cut: false });
      }
    }),
    { numRuns: 100 },
  );
});

it('the budget is shared between search and finals; a small one has fewer finalists and seeds', () => {
  const facts = (trainings: number): (number | string)[] => {
    const halving = new Halving({ ...PLAN, most: Infinity, steps: 270 * trainings, repeats: 3 });
    simulate(halving, 4, ({ trial, to }) => ((trial * 37) % 101) / 101 + 1 / to);
    return [halving.finalists.length, halving.repeats, Math.round(halving.steps / 27) / 10];
  };
  expect(facts(30).slice(0, 2)).toEqual([3, 3]);
  expect(facts(10).slice(0, 2)).toEqual([2, 2]);
  expect(facts(3).slice(0, 2)).toEqual([2, 0]);
  expect(facts(1.1).slice(0, 2)).toEqual([1, 0]);
  for (const trainings of [3, 10, 30]) expect(facts(trainings)[2]).toBeGreaterThan(0.8 * trainings);
});

it('what ends early is compared where it ended, and diverged trials never go on', () => {
  const halving = new Halving({ ...PLAN, most: 9, finalists: 2, repeats: 1 });
  const jobs: Job[] = [];
  for (let job = halving.next(); job; job = halving.next()) {
    jobs.push(job);
    // Trial 3 stops improving within its first rung, with the best score; trials 4 to 8 diverge.
    const over = job.trial >= 3;
    halving.deliver(job, {
      score: job.trial === 3 ? 0 : job.trial > 3 ? Infinity : 1 + job.trial,
      steps: over ? 5 : job.to - job.from,
      over,
      cut: false,
    });
  }
  halving.settle();
  expect(halving.finalists).toEqual([3, 0]);
  expect(jobs.filter(({ trial, repeat }) => trial >= 3 && repeat === 0)).toHaveLength(6);
  expect(halving.ranking().slice(4)).toEqual([4, 5, 6, 7, 8]);
});

it('who was better at the last rung but one than those that went on is among the finalists', () => {
  // Of four trials the first has gone on when the last one comes, and none else may.
  const late = new Halving({ ...PLAN, most: 4, rungs: 2, finalists: 1, repeats: 0 });
  for (let job = late.next(); job; job = late.next()) {
    const score = job.trial === 3 ? 0.5 : 1 + job.trial;
    late.deliver(job, { score, steps: job.to - job.from, over: false, cut: false });
  }
  expect(late.finalists).toEqual([3]);
  expect(late.ranking()).toEqual([3, 0, 1, 2]);
});

it('what is in use now is among the finalists where others are better, unless it diverges or there is one finalist', () => {
  const finalists = (count: number, first: number): readonly number[] => {
    const halving = new Halving({ ...PLAN, finalists: count, keeps: true });
    const done = simulate(halving, 1, ({ trial }) => (trial === 0 ? first : 50 - trial));
    halving.settle();
    // The best ones beside it, and it to the end and with the seeds that they had.
    if (halving.finalists.includes(0)) {
      expect(done.filter(({ trial, repeat }) => trial === 0 && repeat > 0)).toHaveLength(2);
      expect(done.filter(({ trial, repeat }) => trial === 0 && repeat === 0).at(-1)!.to).toBe(270);
    }
    return halving.finalists;
  };
  expect(finalists(3, 100)).toEqual([26, 25, 0]);
  expect(finalists(2, 100)).toEqual([26, 0]);
  expect(finalists(1, 100)).toEqual([26]);
  expect(finalists(3, Infinity)).toEqual([26, 25, 24]);
  expect(finalists(3, 0)).toEqual([0, 26, 25]);
});

it('closed before its end, finalists have what is left', () => {
  const halving = new Halving({ ...PLAN, most: Infinity });
  const jobs: Job[] = [];
  for (let job = halving.next(); job; job = halving.next()) {
    jobs.push(job);
    halving.deliver(job, { score: job.trial, steps: job.to - job.from, over: false, cut: false });
    if (jobs.length === 30) halving.close(200);
  }
  expect(halving.finalists).toHaveLength(1);
  expect(jobs.filter(({ repeat }) => repeat > 0)).toEqual([]);
  expect(jobs.length).toBeLessThanOrEqual(31);
});
