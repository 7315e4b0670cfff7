// print.ts: graphs as text, one line a node: `%7 f32[64,10] = matmul(%5, %6) {"transB":true}`.
import { instance, signature } from '../options/index.ts';
import { CONSTANT, Graph, INPUT, isLeaf, isOp, type Node, STATE, type Tensor } from './graph.ts';
import { typeName } from './op.ts';

const readPrintGraph = signature('printGraph', { graph: instance('a Graph', Graph) });

/**
 * A graph as readable text. Numbering follows the printed order, so that unrelated edits do not change it.
 * @throws OptionError
 */
export function printGraph(graph: Graph): string {
  readPrintGraph(arguments);
  const names = new Map<Tensor, string>();
  const lines: string[] = [];
  let section = '';
  for (const node of graph.nodes) {
    if (!isLeaf(node) && node.section !== section) {
      section = node.section;
      lines.push(`${section}:`);
    }
    const outs = node.outs.map((t) => {
      const name = `%${names.size}`;
      names.set(t, name);
      return `${name} ${typeName(t.type)}`;
    });
    const ins = node.ins.map((t) => names.get(t)).join(', ');
    lines.push(`  ${outs.join(', ')} = ${node.op.name}(${ins})${attrsText(node)}`);
  }
  if (graph.skip) lines.push(`skip ${names.get(graph.skip)}`);
  for (const a of graph.assigns) lines.push(`assign ${a.state.name} = ${names.get(a.value)}${a.always ? ' always' : ''}`);
  for (const [name, t] of graph.outputs) lines.push(`output ${name} = ${names.get(t)}`);
  return `${lines.join('\n')}\n`;
}

/** A text that is another for graphs that differ in anything: two of one text compute the same, of inputs and states of the same names. */
export function graphKey(graph: Graph): string {
  const lines = graph.nodes.map((node) => {
    const outs = node.outs.map((t) => typeName(t.type)).join(', ');
    const ins = node.ins.map((t) => `${t.node.id}.${t.index}`).join(', ');
    const exact = isOp(node, CONSTANT) ? ` ${Array.from(node.attrs.data, numberText).join(' ')}` : attrsText(node);
    return `${node.id} ${node.section} ${outs} = ${node.op.name}(${ins})${exact}`;
  });
  const name = (t: Tensor): string => `${t.node.id}.${t.index}`;
  const assigns = graph.assigns.map((a) => `assign ${a.state.name} = ${name(a.value)}${a.always ? ' always' : ''}`);
  const outputs = [...graph.outputs].map(([key, t]) => `output ${key} = ${name(t)}`);
  return [...lines, `skip ${graph.skip ? name(graph.skip) : ''}`, ...assigns, ...outputs].join('\n');
}

function attrsText(node: Node): string {
  if (isOp(node, INPUT)) return ` ${node.attrs.role} ${node.attrs.name}`;
  if (isOp(node, STATE)) return ` ${node.attrs.state.name}`;
  if (isOp(node, CONSTANT)) {
    const { data } = node.attrs;
    return data.length <= 4 ? ` ${Array.from(data, numberText).join(' ')}` : ` ${data.length} values`;
  }
  const text = attrsKey(node.attrs);
  return text === '{}' ? '' : ` ${text}`;
}

/** Attributes as JSON that also tells -0, NaN and the infinities apart: equal text means equal attributes. */
export function attrsKey(attrs: unknown): string {
  const exact = (_: string, v: unknown): unknown => (typeof v === 'number' && !isPlain(v) ? numberText(v) : v);
  return JSON.stringify(attrs ?? {}, exact);
}

const isPlain = (v: number): boolean => Number.isFinite(v) && !Object.is(v, -0);
export const numberText = (v: number): string => (Object.is(v, -0) ? '-0' : String(v));

/** The first values of an array, to four digits: `0.1234 -2 3 ... of 12`. */
export function firstValues(data: ArrayLike<number>, most: number = 6): string {
  const first = Array.from({ length: Math.min(most, data.length) }, (_, i) => String(Number(data[i]!.toPrecision(4))));
  return `${first.join(' ')}${data.length > most ? ` ... of ${data.length}` : ''}`;
}
