// profile.ts: where a step's time goes, as a table: one line an instruction, the slowest first or in their order.

import { percent, short, table } from '../../text/format.ts';
import type { InstructionProfile, Profile } from '../../train/index.ts';

/** What the machine can do at most, measured: to say how near an instruction comes. */
export interface Peak {
  readonly gflops: number;
  readonly gbytes: number;
}

type Align = 'left' | 'right';
interface ProfileColumn {
  readonly title: string;
  readonly align: Align;
  readonly text: (i: InstructionProfile) => string;
}

function columns(peak: Peak | null): readonly ProfileColumn[] {
  const column = (title: string, text: ProfileColumn['text'], align: Align = 'right'): ProfileColumn => ({ title, align, text });
  const ofPeak = (i: InstructionProfile): string => {
    const [flops, bytes] = [i.gflops / peak!.gflops, i.gbytes / peak!.gbytes];
    return flops > bytes ? `${percent(flops, 1, 0)} flops` : `${percent(bytes, 1, 0)} bytes`;
  };
  return [
    column('#', (i) => String(i.index)),
    column('section', (i) => i.section, 'left'),
    column('instruction', (i) => `${shortened(i.note)}${i.bf16 ? ', in bf16' : ''}`, 'left'),
    column('us', (i) => short(1000 * i.ms)),
    column('of step', (i) => percent(i.share, 1)),
    column('working', (i) => percent(i.busy, 1, 0)),
    column('MFLOP', (i) => short(i.flops / 1e6)),
    column('MB', (i) => short(i.bytes / 1e6)),
    column('GFLOP/s', (i) => short(i.gflops)),
    column('GB/s', (i) => short(i.gbytes)),
    ...(peak ? [column('of peak', ofPeak)] : []),
  ];
}

/** An update has as many outputs as there are parameters: the first three will do. */
function shortened(note: string): string {
  const outs = note.split(', f');
  return outs.length <= 3 ? note : `${outs.slice(0, 3).join(', f')} and ${outs.length - 3} more`;
}

/** The instructions in order; `peak` adds the share of what the machine can do, of flops or of bytes, whichever is nearer. */
export function profileTable({ instrs }: Profile, peak: Peak | null = null): string[] {
  const all = columns(peak);
  const body = instrs.map((i) => all.map((c) => c.text(i)));
  return table(
    [all.map((c) => c.title), ...body],
    all.map((c) => c.align),
  );
}
