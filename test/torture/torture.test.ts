// torture.test.ts: random networks in all ways that must give the same bits, in a short form with a fixed seed; and that the tables they are drawn
// from have everything there is.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { POLICIES as LISTED } from '../../lib/clip/list.ts';
import * as nn from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import { changed } from '../mutate/change.ts';
import { type Digest, differences, digestOf } from './compare.ts';
import { Counts } from './counts.ts';
import { drawProgram } from './draw.ts';
import { FAULTS } from './faults/faults.ts';
import { LAYERS } from './layers/index.ts';
import { LOSSES } from './losses.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const functions = (of: object): string[] => Object.keys(of).filter((name) => typeof of[name as keyof typeof of] === 'function');

describe('the tables have', () => {
  it('every layer', () => {
    const isLayer = (of: unknown): boolean => typeof of === 'function' && of.prototype instanceof nn.Module;
    const layers = Object.entries(nn).flatMap(([name, of]) => (isLayer(of) ? [name] : []));
    const drawn = Object.keys(LAYERS).filter((name) => !LAYERS[name]!.own);
    expect(drawn.sort()).toEqual(layers.sort());
  });

  it('every loss', () => {
    expect(Object.keys(LOSSES).sort()).toEqual(functions(loss).sort());
  });

  it('every policy', () => {
    const listed = new Set(Object.keys(LISTED).map((name) => name.split(' ')[0]!));
    // Not of a trial of torture: samples are mixed up in most programs.
    expect([...listed, 'auto', 'perSample'].sort()).toEqual(functions(clip).sort());
  });
});

it('each has its turn: 1,500 programs have each at least 5 times', () => {
  const counts = new Counts();
  for (let seed = 0; seed < 1500; seed++) counts.add(drawProgram(seed));
  for (const [what, of] of counts.all()) {
    for (const [name, n] of of) expect(n, `${what}: ${name}`).toBeGreaterThanOrEqual(5);
  }
});

it('a third has its products in bf16, half of those their activations too', () => {
  const low = Array.from({ length: 1000 }, (_, seed) => drawProgram(seed)).filter(({ precision }) => precision === 'bf16');
  expect(low.length).toBeGreaterThan(280);
  expect(low.length).toBeLessThan(390);
  const kept = low.filter(({ activations }) => activations === 'bf16').length;
  expect(kept / low.length).toBeGreaterThan(0.4);
  expect(kept / low.length).toBeLessThan(0.6);
});

it('a seed gives the same program, whatever was drawn before', () => {
  const one = drawProgram(77);
  drawProgram(3);
  expect(drawProgram(77)).toEqual(one);
  expect(drawProgram(78)).not.toEqual(one);
});

describe('outcomes are compared', () => {
  const of = (...values: number[]): Digest => digestOf(new Map([['weight', Float32Array.from(values)]]));
  it('bit by bit', () => {
    expect(differences(of(1, 0), of(1, 0))).toEqual([]);
    expect(differences(of(1, 0), of(1, -0))).toEqual(['weight']);
    expect(differences(of(1), new Map())).toEqual(['weight']);
  });
  it('but a NaN equals a NaN', () => {
    const negative = new Float32Array(Uint32Array.of(0xffc00001).buffer);
    expect(differences(of(Number.NaN), digestOf(new Map([['weight', negative]])))).toEqual([]);
    expect(differences(of(Number.NaN), of(1))).toEqual(['weight']);
  });
});

it.each(Object.keys(FAULTS))('what fault %s replaces is there', (name) => {
  const text = readFileSync(resolve(ROOT, FAULTS[name]!.file), 'utf8');
  expect(changed(FAULTS[name]!, text)).not.toBe(text);
});

it('12 programs give the same bits in all ways', async () => {
  const args = [resolve(ROOT, 'dist/test/torture/run.js'), '--programs', '12', '--seed', '20261128', '--jobs', '2'];
  const { code, out } = await new Promise<{ code: unknown; out: string }>((done) => {
    execFile(process.execPath, args, (error, stdout, stderr) => done({ code: error?.code ?? 0, out: stdout + stderr }));
  });
  expect(out).toContain('12 programs, 0 failed');
  expect(code).toBe(0);
});
