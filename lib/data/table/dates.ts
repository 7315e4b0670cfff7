// dates.ts: dates as people write them, as numbers: in UTC, whatever the zone of the machine.

/** In which order day, month and year stand. */
export type DateOrder = 'ymd' | 'dmy' | 'mdy';

export const DATE_ORDERS: readonly DateOrder[] = ['ymd', 'dmy', 'mdy'];

/** What a date tells. */
export type DatePart = 'year' | 'month' | 'day' | 'weekday' | 'dayOfYear' | 'hour' | 'minute' | 'days';

const DAY = 86_400_000;

/** Of a date in ms since 1970. */
const PARTS: Readonly<Record<DatePart, (ms: number) => number>> = {
  year: (ms) => new Date(ms).getUTCFullYear(),
  month: (ms) => new Date(ms).getUTCMonth() + 1,
  day: (ms) => new Date(ms).getUTCDate(),
  // Monday is 0, as in pandas.
  weekday: (ms) => (new Date(ms).getUTCDay() + 6) % 7,
  dayOfYear: (ms) => Math.floor((ms - Date.UTC(new Date(ms).getUTCFullYear(), 0, 1)) / DAY) + 1,
  hour: (ms) => new Date(ms).getUTCHours(),
  minute: (ms) => new Date(ms).getUTCMinutes(),
  days: (ms) => ms / DAY,
};

export const DATE_PARTS: readonly DatePart[] = Object.keys(PARTS) as DatePart[];

export const partOf = (part: DatePart, ms: number): number => PARTS[part](ms);

const TIME = String.raw`(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?`;
const [YEAR, SHORT] = [String.raw`(\d{4})`, String.raw`(\d{1,2})`];
const dated = (first: string, second: string, third: string): RegExp =>
  new RegExp(String.raw`^${first}([-/.])${second}\2${third}${TIME}$`);
const FORMS: Readonly<Record<DateOrder, RegExp>> = {
  ymd: dated(YEAR, SHORT, SHORT),
  dmy: dated(SHORT, SHORT, YEAR),
  mdy: dated(SHORT, SHORT, YEAR),
};

/**
 * A date, with a time or without, in ms since 1970; NaN for what is none. `2024-03-01`, `2024-03-01T12:30:00Z`, `2024/3/1 12:30`; by another order
 * `01.03.2024`. What names no zone is in UTC.
 */
export function parseDate(text: string, order: DateOrder): number {
  const found = FORMS[order].exec(text.trim());
  if (!found) return Number.NaN;
  const [, a, , b, c, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = found;
  const [year, month, day] = (order === 'ymd' ? [a, b, c] : order === 'dmy' ? [c, b, a] : [c, a, b]).map(Number) as [
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // The 30th of February is another day of another month.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return Number.NaN;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return Number.NaN;
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'));
  const offset = zone === 'Z' ? 0 : minutesOf(zone);
  return date.getTime() + ((Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second)) * 1000 + ms;
}

/** Of `+02:00`, 120. */
function minutesOf(zone: string): number {
  const digits = zone.replace(':', '');
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5));
  return digits[0] === '-' ? -minutes : minutes;
}
