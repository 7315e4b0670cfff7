// written.ts: numbers and dates that are written as nothing says: decimal commas, thousands set apart, days before months. They are no categories.
import { parseDate } from './dates.ts';

/**
 * What texts of a column are, all of them:
 *
 * - `comma`: numbers with a decimal comma.
 * - `commas`: numbers with commas of which nothing tells whether they are decimal or set thousands apart: all have three digits after them.
 * - `thousands`: numbers whose thousands are set apart.
 * - `dmy`, `mdy`: dates in this order.
 * - `dates`: dates of which nothing tells the day from the month.
 */
export type Written = 'comma' | 'commas' | 'thousands' | 'dmy' | 'mdy' | 'dates';

const WHOLE = /^[+-]?\d+$/;
const COMMA = /^[+-]?\d+,\d+$/;
/** A number of thousands with a comma, or one with three decimals. */
const EITHER = /^[+-]?[1-9]\d{0,2},\d{3}$/;
/** Set apart by a comma, a dot, an apostrophe or a blank, which a page may not break at, too. */
const THOUSANDS = /^[+-]?\d{1,3}([,.'\u2019 \u00a0\u202f])\d{3}(\1\d{3})*([.,]\d+)?$/;
const PLAIN = /^[+-]?\d+(\.\d+)?$/;

/** Whether a cell has a decimal comma, which nobody reads where nobody asks for it. */
export const isComma = (text: string): boolean => COMMA.test(text.trim());

/** @param texts those of a column that are not missing @returns null where they are anything else, numbers and ISO dates too */
export function writtenAs(texts: readonly string[]): Written | null {
  if (texts.length === 0) return null;
  // Most texts are none of these, which the first one tells.
  const all = (form: RegExp): boolean => texts.every((text) => form.test(text.trim()));
  const some = (form: RegExp): boolean => texts.some((text) => form.test(text.trim()));
  if (all(PLAIN)) return null;
  if (all(/^[+-]?\d+(,\d+)?$/) && some(COMMA)) {
    return texts.every((text) => EITHER.test(text.trim()) || WHOLE.test(text.trim())) ? 'commas' : 'comma';
  }
  const forms = [THOUSANDS, PLAIN, COMMA];
  if (some(THOUSANDS) && texts.every((text) => forms.some((form) => form.test(text.trim())))) return 'thousands';
  return orderOf(texts);
}

/** The order of dates that are none of ISO 8601. */
function orderOf(texts: readonly string[]): 'dmy' | 'mdy' | 'dates' | null {
  const [dmy, mdy] = (['dmy', 'mdy'] as const).map((order) => texts.every((text) => !Number.isNaN(parseDate(text, order))));
  // With dots the day is first everywhere.
  if (dmy && mdy) return texts.every((text) => text.includes('.')) ? 'dmy' : 'dates';
  return dmy ? 'dmy' : mdy ? 'mdy' : null;
}

/** What such a column is and who reads it, for people; after the name of the column. */
const SAID: Readonly<Record<Written, readonly [what: string, reader: string]>> = {
  comma: ['numbers with a decimal comma', "io.readTable reads them with decimal ','"],
  commas: ['numbers of which nothing tells decimal commas from thousands', "io.readTable reads decimal commas with decimal ','"],
  thousands: ['numbers whose thousands are set apart', 'write them without, for numbers'],
  dmy: ['dates with the day first', "{ type: 'date', order: 'dmy' } in option columns reads them"],
  mdy: ['dates with the month first', "{ type: 'date', order: 'mdy' } in option columns reads them"],
  dates: ['dates of which nothing tells day from month', "{ type: 'date', order: 'dmy' }, or 'mdy', in option columns says it"],
};

export const whatIsWritten = (written: Written): string => SAID[written][0];
export const readerOfWritten = (written: Written): string => SAID[written][1];
