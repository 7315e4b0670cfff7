// page.ts: the outcome of the laboratory as one page of HTML.
import type { Summary } from '../summary.ts';
export function labPage(_: Summary, __: { readonly machine: string }): string {
  return '';
}
