// table.ts: tables of a page: each with a caption, heads of rows and columns, and a frame that scrolls by keyboard where a screen is narrow.
import { escapeHtml } from './svg.ts';

/** A cell: text, or HTML; with a class where it looks otherwise. */
export type Cell = string | { readonly html?: string; readonly text?: string; readonly style?: string; readonly title?: string };

export interface HtmlTable {
  /** What it tells, in words. */
  readonly caption: string;
  /** The caption is only read aloud: a heading over the table says the same. */
  readonly unseen?: boolean;
  /** Over the columns; `|` is where a line may break. */
  readonly head: readonly string[];
  /** The first cell of each is the head of its row. */
  readonly rows: readonly (readonly Cell[])[];
  /** Columns of words, which may break into lines, by their numbers. */
  readonly words?: readonly number[];
  /** Class of the table; of heads of columns; of each row. */
  readonly style?: string;
  readonly headStyle?: string;
  readonly rowStyle?: (row: number) => string;
}

export function tableHtml(table: HtmlTable): string {
  const { caption, unseen = false, head, rows, words = [], style, headStyle, rowStyle } = table;
  const styled = (...names: readonly (string | undefined)[]): string => {
    const all = names.filter(Boolean).join(' ');
    return all === '' ? '' : ` class="${all}"`;
  };
  const word = (column: number): string | undefined => (words.includes(column) ? 'words' : undefined);
  const heads = head.map((name, i) => {
    const text = name === '' ? '<span class="unseen">remarks</span>' : escapeHtml(name).replaceAll('|', '<br>');
    return `<th scope="col"${styled(word(i), i > 0 ? headStyle : undefined)}>${text}</th>`;
  });
  const lines = rows.map((row, r) => {
    const cells = row.map((cell, i) => {
      const { html, text = '', style: own, title } = typeof cell === 'string' ? ({ text: cell } as Exclude<Cell, string>) : cell;
      const tag = i === 0 ? 'th' : 'td';
      const told = title === undefined ? '' : ` title="${escapeHtml(title)}"`;
      return `<${tag}${i === 0 ? ' scope="row"' : ''}${styled(word(i), own)}${told}>${html ?? escapeHtml(text)}</${tag}>`;
    });
    return `<tr${styled(rowStyle?.(r))}>${cells.join('')}</tr>`;
  });
  const over = `<caption>${unseen ? `<span class="unseen">${escapeHtml(caption)}</span>` : escapeHtml(caption)}</caption>`;
  const parts = `${over}<thead><tr>${heads.join('')}</tr></thead>\n<tbody>${lines.join('\n')}</tbody>`;
  return scrolling(caption, `<table${styled(style)}>${parts}</table>`);
}

/** What may be wider than the screen: it scrolls, by keyboard too. @param name what it is, for who does not see it */
export function scrolling(name: string, html: string, style = ''): string {
  return `<div class="scroll${style === '' ? '' : ` ${style}`}" role="group" tabindex="0" aria-label="${escapeHtml(name)}">${html}</div>`;
}
