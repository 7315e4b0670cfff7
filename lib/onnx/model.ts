// model.ts: what a file of ONNX holds, before it is bytes.
import type { OnnxAttributes, OnnxType, Size } from '../ir/onnx.ts';

/** An application of an operator. */
export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  /** '' where one is left out. */
  readonly ins: readonly string[];
  readonly outs: readonly string[];
  readonly attributes: OnnxAttributes;
}

/** Numbers that the file has: weights and constants. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** As they lie in the file, little-endian. */
  readonly bytes: Uint8Array;
}

/** What is given to the model, or what it gives. */
export interface OnnxPort {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly Size[];
}

export interface OnnxModel {
  /** Version of the operators. */
  readonly opset: number;
  /** What the graph is called. */
  readonly name: string;
  readonly producer: { readonly name: string; readonly version: string };
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly nodes: readonly OnnxNode[];
  readonly tensors: readonly OnnxTensor[];
  /** Texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Oldest and newest version of the operators that are written. */
export const OPSETS = { least: 17, most: 23, usual: 17 } as const;

/** The version of the format that first has these operators. */
export const FORMAT_OF: Readonly<Record<number, number>> = { 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11 };
