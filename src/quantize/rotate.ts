/**
 * Block-input rotation (QuaRot, QoQ): the residual stream x is expressed in a rotated basis x' = Rᵀx, so that no channel stands out.
 * RMSNorm without weights commutes with R, so each norm's weights move into the linears behind it first:
 *   reads x (q, k, v, gate, up, head):  W' = W · diag(norm) · R
 *   writes x (o, down, embedding):      W' = Rᵀ · W, b' = Rᵀ · b
 * The model computes the same function. Not so where a norm stands before the residual add (Gemma 2): it sees the rotated
 * vector with weights that can't be moved past it.
 */
import type { ModelConfig } from '../model/config.ts';
import { hadamard, rotateInPlace, type Hadamard } from './hadamard.ts';

export class Rotation {
  private readonly matrix: Hadamard;
  private readonly row: Float64Array;
  private readonly columns: Float64Array;
  private readonly scratch: Float64Array;

  constructor(matrix: Hadamard) {
    this.matrix = matrix;
    this.row = new Float64Array(matrix.size);
    this.columns = new Float64Array(matrix.size * COLUMN_BLOCK);
    this.scratch = new Float64Array(matrix.size * COLUMN_BLOCK);
  }

  /** v ← Rᵀ·v. */
  vector(v: Float64Array): void {
    rotateInPlace(this.matrix, v, 1, this.scratch);
  }

  /** W ← Rᵀ·W for W [size, columns] in float32, in float64 a block of columns at a time. */
  outputs(w: Float32Array, columns: number): void {
    const { matrix } = this;
    for (let first = 0; first < columns; first += COLUMN_BLOCK) {
      const inner = Math.min(COLUMN_BLOCK, columns - first);
      const block = this.columns.subarray(0, matrix.size * inner);
      for (let i = 0; i < matrix.size; i++) for (let j = 0; j < inner; j++) block[i * inner + j] = w[i * columns + first + j];
      rotateInPlace(matrix, block, inner, this.scratch);
      for (let i = 0; i < matrix.size; i++) for (let j = 0; j < inner; j++) w[i * columns + first + j] = block[i * inner + j];
    }
  }

  rotateBias(bias: Float32Array): Float32Array {
    this.row.set(bias);
    this.vector(this.row);
    return Float32Array.from(this.row);
  }
}

const COLUMN_BLOCK = 64;

/** The rotation of a model, or why there is none. */
export function rotationOf(config: ModelConfig): Rotation | { readonly reason: string } {
  if (config.postNorms) return { reason: 'norms before the residual add make it inexact' };
  const matrix = hadamard(config.hiddenSize);
  return matrix === null ? { reason: `no Hadamard matrix of hidden size ${config.hiddenSize} is known` } : new Rotation(matrix);
}
