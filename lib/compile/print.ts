// print.ts: programs as text, one line an instruction.
import { type Place, type Program, SPACE } from './program.ts';

const NAMES = ['arena', 'const', 'feed', 'step', 'report'];

/** A program as readable text: `  3 matmul  arena+0:2560 <- feed+0:200704 state+0:802816  [64 10 784]`. */
export function printProgram(program: Program): string {
  const at = (p: Place): string => {
    const space = NAMES[p.space] ?? program.blocks[p.space - SPACE.blocks]!.name;
    return `${space}+${p.offset}:${p.bytes}`;
  };
  const lines = [`arena ${program.arenaBytes} bytes, constants ${program.constants.length} bytes`];
  for (const b of program.blocks) lines.push(`block ${b.name} ${b.bytes} bytes${b.writes ? ', written' : ''}`);
  for (const [name, row] of [
    ['feed', program.feed],
    ['step', program.step],
    ['report', program.report],
  ] as const) {
    if (row.columns.length > 0) lines.push(`${name} ${row.columns.map((c) => `${c.name}+${c.offset}`).join(' ')}`);
  }
  for (const [i, instr] of program.instrs.entries()) {
    const cut = program.cuts.lastIndexOf(i);
    if (i === 0 || (i < program.microEnd && cut % 2 === 1)) lines.push('micro:');
    else if (cut >= 0 && cut % 2 === 0) lines.push('joint:');
    if (i === program.microEnd) lines.push('apply:');
    const flags = `${instr.skippable ? ' skippable' : ''}${instr.serial ? ' serial' : ''}`;
    lines.push(
      `${String(i).padStart(4)} ${instr.note}${flags}\n       ${[...instr.outs.map(at), '<-', ...instr.ins.map(at)].join(' ')}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
