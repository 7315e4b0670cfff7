// render.ts: docs/api.md: each space of the package with its values, then its types, as declarations.
import type { Name, Report } from './report.ts';

const KINDS = ['function', 'class', 'constant', 'type'] as const;
const HEAD = ['functions', 'classes', 'constants', 'types'];

/** Where a name stands: `optim.schedule`; '' for the top. */
export const spaceOf = ({ path }: Name): string => path.slice(0, Math.max(0, path.lastIndexOf('.')));

export function render({ names }: Report): string {
  const spaces = ['', ...names.filter(({ kind }) => kind === 'namespace').map(({ path }) => path)];
  const within = (space: string): readonly Name[] => names.filter((name) => spaceOf(name) === space && name.kind !== 'namespace');
  const counts = spaces.map((space) => {
    const cells = KINDS.map((kind) => within(space).filter((name) => name.kind === kind).length);
    return `| ${title(space)} | ${cells.join(' | ')} |`;
  });
  const hidden = new Map<string, string[]>();
  for (const name of names) for (const type of name.hidden) hidden.set(type, [...(hidden.get(type) ?? []), name.path]);
  return [
    '# What is public',
    '',
    'Every name that the package exports, as its declarations have it, without comments. `npm run -s api -- --update` makes this page; `test/api/api.test.ts`',
    'holds that it is true.',
    '',
    `| | ${HEAD.join(' | ')} |`,
    `|${'---|'.repeat(HEAD.length + 1)}`,
    ...counts,
    ...spaces.flatMap((space) => section(title(space), within(space))),
    '',
    '## Types without a name',
    'They stand in declarations above, and nobody outside has needed their names.',
    '',
    '| type | in |',
    '|---|---|',
    ...[...hidden.keys()].sort().map((type) => `| \`${type}\` | ${some(hidden.get(type)!)} |`),
    '',
  ].join('\n');
}

const title = (space: string): string => (space === '' ? 'gradclip' : space);

function some(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).map((path) => `\`${path}\``);
  return paths.length > 3 ? `${shown.join(', ')} and ${paths.length - 3} more` : shown.join(', ');
}

function section(space: string, names: readonly Name[]): string[] {
  const [values, types] = [names.filter(({ kind }) => kind !== 'type'), names.filter(({ kind }) => kind === 'type')];
  return ['', `## ${space}`, ...[values, types].filter((list) => list.length > 0).flatMap((list) => ['', ...fenced(list)])];
}

const fenced = (names: readonly Name[]): string[] => ['```ts', ...names.map(({ text }) => text), '```'];
