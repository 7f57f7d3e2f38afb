import { GROUP } from '../backend/backend.ts';

/**
 * Round to nearest in the two-level arithmetic W ≈ (q·s1 + m)·s0, q uint4. Invariant of the format: −127 ≤ m and
 * m + 15·s1 ≤ 127, so that the 8-bit weight never overflows, whatever q.
 */
export const LEVELS = 15;
export const INT8_MAX = 127;
/** Level 1 of QoQ: with |W8| ≤ 119 the second level stays within INT8_MAX (arXiv 2405.04532 section 4.1). */
export const PROTECTIVE_MAX = 119;

export type GroupSize = 128 | -1;

/** One row's result, in buffers that are used again for the next row. */
export interface RowCode {
  /** 0..15, one a byte. */
  readonly q: Uint8Array;
  readonly s1: Uint8Array;
  readonly m: Int8Array;
  s0: number;
}

export const groupCount = (columns: number, groupSize: GroupSize): number => (groupSize === -1 ? 1 : Math.ceil(columns / GROUP));

export function allocateRowCode(columns: number, groupSize: GroupSize): RowCode {
  const groups = groupCount(columns, groupSize);
  return { q: new Uint8Array(columns), s1: new Uint8Array(groups), m: new Int8Array(groups), s0: 1 };
}

/** Largest |w|; throws where the row holds NaN or infinity. */
export function absMax(w: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < w.length; i++) {
    const a = Math.abs(w[i]);
    if (!(a < Infinity)) throw new RangeError('holds NaN or infinity');
    if (a > largest) largest = a;
  }
  return largest;
}

/** A row whose elements all have one value has an exact code: W = (0·1 + m)·s0 with m = ±1, or all zero. */
export function encodeConstantRow(value: number, code: RowCode): void {
  const s0 = Math.fround(Math.abs(value));
  code.s0 = s0 === 0 ? 1 : s0;
  code.q.fill(0);
  code.s1.fill(1);
  code.m.fill(s0 === 0 ? 0 : Math.sign(value));
}

export function roundToNearest(w: Float64Array, groupSize: GroupSize, code: RowCode): void {
  if (groupSize === -1) roundPerChannel(w, code);
  else roundPerGroup(w, code);
}

function roundPerGroup(w: Float64Array, code: RowCode): void {
  const s0 = Math.fround(absMax(w) / PROTECTIVE_MAX);
  if (s0 === 0) return encodeConstantRow(0, code);
  code.s0 = s0;
  const level1 = (value: number): number => clamp(Math.round(value / s0), -PROTECTIVE_MAX, PROTECTIVE_MAX);
  for (let g = 0; g < code.s1.length; g++) {
    const start = g * GROUP;
    const end = Math.min(start + GROUP, w.length);
    const { min, max } = range(w.subarray(start, end));
    const s1 = Math.max(1, Math.round((level1(max) - level1(min)) / LEVELS));
    const m = Math.min(level1(min), INT8_MAX - LEVELS * s1); // binds only for narrow groups near the end of the range, which stay exact
    code.s1[g] = s1;
    code.m[g] = m;
    for (let i = start; i < end; i++) code.q[i] = clamp(Math.round((level1(w[i]) - m) / s1), 0, LEVELS);
  }
}

function roundPerChannel(w: Float64Array, code: RowCode): void {
  const { min, max } = range(w);
  const { s0, m } = channelScale(min, max);
  if (s0 === 0) return encodeConstantRow(w[0], code);
  code.s0 = s0;
  code.s1[0] = 1;
  code.m[0] = m;
  for (let i = 0; i < w.length; i++) code.q[i] = clamp(Math.round(w[i] / s0) - m, 0, LEVELS);
}

/** Scale and offset that cover [min, max] with 16 levels, as far from zero as int8 reaches; s0 = 0 where min = max. */
export function channelScale(min: number, max: number): { s0: number; m: number } {
  if (min === max) return { s0: 0, m: 0 };
  const s0 = Math.fround(Math.max((max - min) / LEVELS, Math.max(-min, max) / INT8_MAX));
  if (s0 === 0) return { s0: 0, m: 0 };
  return { s0, m: clamp(Math.round(min / s0), -INT8_MAX, INT8_MAX - LEVELS) };
}

export function range(w: Float64Array): { min: number; max: number } {
  absMax(w);
  let min = w[0];
  let max = w[0];
  for (let i = 1; i < w.length; i++) {
    if (w[i] < min) min = w[i];
    else if (w[i] > max) max = w[i];
  }
  return { min, max };
}

/** ‖w − Ŵ‖² with Ŵ = (q·s1 + m)·s0, for the scale s0 given or the code's own. */
export function squaredError(w: Float64Array, groupSize: GroupSize, code: RowCode, s0 = code.s0): number {
  const width = groupSize === -1 ? w.length : GROUP;
  let error = 0;
  for (let g = 0; g < code.s1.length; g++) {
    const s1 = code.s1[g];
    const m = code.m[g];
    const end = Math.min((g + 1) * width, w.length);
    for (let i = g * width; i < end; i++) {
      const d = w[i] - (code.q[i] * s1 + m) * s0;
      error += d * d;
    }
  }
  return error;
}

export const clamp = (x: number, low: number, high: number): number => (x < low ? low : x > high ? high : x);
