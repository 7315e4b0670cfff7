// weights.ts: files of weights as the library writes them, taken apart: changed in their names, shapes, numbers and texts, and written anew.
import type { Random } from '../../torture/random.ts';
import { damaged } from './damaged.ts';
import { changedJson, disturbedJson, written } from './json.ts';
import { data, joined, le, text } from './parts.ts';
import { anyText, disturbed } from './text.ts';

type Header = Readonly<Record<string, unknown>> & { readonly __metadata__?: Readonly<Record<string, string>> };

/** A file that is wrong somewhere: in its texts, in its header, or in its bytes. */
export function changedWeights(r: Random, whole: Uint8Array): Uint8Array {
  const length = Number(Buffer.from(whole).readBigUInt64LE(0));
  const header = JSON.parse(Buffer.from(whole.subarray(8, 8 + length)).toString()) as Header;
  const body = whole.subarray(8 + length);
  const file = (json: string): Uint8Array => joined([le(Buffer.byteLength(json), 8), text(json), data(body)]);
  const kind = r.unit();
  if (kind < 0.45 && header.__metadata__) {
    return file(written({ ...header, __metadata__: changedTexts(r, header.__metadata__) }));
  }
  if (kind < 0.6) {
    // Other numbers, of any kind.
    const bytes = Uint8Array.from(body, (byte) => (r.chance(0.01) ? r.word() & 255 : byte));
    return joined([le(length, 8), data(whole.subarray(8, 8 + length)), data(bytes)]);
  }
  if (kind < 0.85) return file(written(changedJson(r, header)));
  return damaged(r, [le(length, 8), text(written(header)), data(body)]);
}

/** Texts that are often JSON themselves. */
function changedTexts(r: Random, texts: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const key = r.pick(Object.keys(texts));
  const given = texts[key]!;
  let now = r.chance(0.3) ? anyText(r, 20) : disturbed(r, given);
  try {
    if (r.chance(0.8)) now = disturbedJson(r, JSON.parse(given));
  } catch {
    // It is none.
  }
  return { ...texts, [key]: now };
}
