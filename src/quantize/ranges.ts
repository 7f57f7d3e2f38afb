import { GROUP } from '../backend/backend.ts';
import {
  absMax,
  channelScale,
  clamp,
  encodeConstantRow,
  INT8_MAX,
  LEVELS,
  PROTECTIVE_MAX,
  range,
  squaredError,
  type GroupSize,
  type RowCode,
} from './rtn.ts';

/** A step of a window that reaches from −119 to 119; a larger one could leave int8. */
const MAX_STEP = 16;
/** Smallest part of the full range that is tried. */
const MIN_RATIO = 0.4;
const RATIO_STEP = 0.06;
/** Offsets of the window tried beside the middle of the range, in steps of the grid. */
const SHIFTS = [-0.5, -0.25, 0.25, 0.5];

/**
 * Searches the range of each group (or of the row) for the least squared error of the weight, counted exactly in the arithmetic that
 * is served. Never worse than rounding to nearest over the full range, which is one of the candidates.
 */
export class RangeSearch {
  private readonly groupSize: GroupSize;
  /** The row in units of s0. */
  private readonly scaled: Float64Array;

  constructor(columns: number, groupSize: GroupSize) {
    this.groupSize = groupSize;
    this.scaled = new Float64Array(columns);
  }

  /** Encodes w into `code` and returns ‖w − Ŵ‖². */
  encode(w: Float64Array, code: RowCode): number {
    const found = this.groupSize === -1 ? this.searchRow(w, code) : this.searchGroups(w, code);
    if (found) refitScale(w, this.groupSize, code);
    else encodeConstantRow(w[0], code);
    return squaredError(w, this.groupSize, code);
  }

  /** False for a row without a usable scale: zero. */
  private searchGroups(w: Float64Array, code: RowCode): boolean {
    const s0 = Math.fround(absMax(w) / PROTECTIVE_MAX);
    if (s0 === 0) return false;
    code.s0 = s0;
    this.scale(w, s0);
    for (let g = 0; g < code.s1.length; g++) this.searchGroup(g, code);
    return true;
  }

  private searchGroup(g: number, code: RowCode): void {
    const { scaled } = this;
    const start = g * GROUP;
    const end = Math.min(start + GROUP, scaled.length);
    let min = scaled[start];
    let max = min;
    for (let i = start + 1; i < end; i++) {
      if (scaled[i] < min) min = scaled[i];
      else if (scaled[i] > max) max = scaled[i];
    }
    const full = (max - min) / LEVELS;
    const middle = (min + max) / 2;
    const largest = Math.max(1, Math.ceil(full));
    const smallest = Math.max(1, Math.floor(full * MIN_RATIO));
    let best = Infinity;
    const attempt = (s1: number, low: number): void => {
      const m = clamp(Math.round(low), -INT8_MAX, INT8_MAX - LEVELS * s1);
      const error = gridError(scaled, start, end, s1, m, best);
      if (error >= best) return;
      best = error;
      code.s1[g] = s1;
      code.m[g] = m;
    };
    attempt(Math.max(1, Math.round((Math.round(max) - Math.round(min)) / LEVELS)), min);
    for (let s1 = largest; s1 >= smallest; s1--) attempt(s1, middle - (LEVELS / 2) * s1);
    const coarse = code.s1[g];
    for (let s1 = Math.max(1, coarse - 1); s1 <= Math.min(coarse + 1, MAX_STEP); s1++) {
      for (const shift of SHIFTS) attempt(s1, middle + (shift - LEVELS / 2) * s1);
    }
    assign(scaled, start, end, code.s1[g], code.m[g], code.q);
  }

  /** False for a row of one value. */
  private searchRow(w: Float64Array, code: RowCode): boolean {
    const { min, max } = range(w);
    let best = Infinity;
    let coarse = 1;
    for (let ratio = 1; ratio >= MIN_RATIO; ratio -= RATIO_STEP) {
      const error = this.tryChannel(w, min * ratio, max * ratio, best, 0, code);
      if (error < best) coarse = ratio;
      best = Math.min(best, error);
    }
    if (best === Infinity) return false;
    for (const fine of [coarse - RATIO_STEP / 2, coarse, coarse + RATIO_STEP / 2]) {
      for (const shift of [-1, 0, 1]) best = Math.min(best, this.tryChannel(w, min * fine, max * fine, best, shift, code));
    }
    this.scale(w, code.s0);
    assign(this.scaled, 0, w.length, 1, code.m[0], code.q);
    return true;
  }

  /** The error of the row with the range's scale and an offset `shift` steps away, or Infinity. */
  private tryChannel(w: Float64Array, min: number, max: number, best: number, shift: number, code: RowCode): number {
    const { s0, m: low } = channelScale(min, max);
    if (s0 === 0) return Infinity;
    const m = clamp(low + shift, -INT8_MAX, INT8_MAX - LEVELS);
    const error = gridError(w, 0, w.length, s0, m * s0, best);
    if (error < best) {
      code.s0 = s0;
      code.s1[0] = 1;
      code.m[0] = m;
    }
    return error;
  }

  private scale(w: Float64Array, s0: number): void {
    const inverse = 1 / s0;
    for (let i = 0; i < w.length; i++) this.scaled[i] = w[i] * inverse;
  }
}

/** Squared distance of x[start..end) from the nearest of m + s1·{0..15}; gives up (Infinity) above `limit`. */
function gridError(x: Float64Array, start: number, end: number, s1: number, m: number, limit: number): number {
  const inverse = 1 / s1;
  let error = 0;
  for (let from = start; from < end; from += 32) {
    const to = Math.min(from + 32, end);
    for (let i = from; i < to; i++) {
      const v = x[i] - m;
      let q = Math.floor(v * inverse + 0.5);
      if (q < 0) q = 0;
      else if (q > LEVELS) q = LEVELS;
      const d = v - q * s1;
      error += d * d;
    }
    if (error > limit) return Infinity;
  }
  return error;
}

function assign(x: Float64Array, start: number, end: number, s1: number, m: number, q: Uint8Array): void {
  const inverse = 1 / s1;
  for (let i = start; i < end; i++) q[i] = clamp(Math.floor((x[i] - m) * inverse + 0.5), 0, LEVELS);
}

/** The scale of least squared error for the integers at hand: s0 = ⟨w, v⟩ / ⟨v, v⟩ with v = q·s1 + m. */
function refitScale(w: Float64Array, groupSize: GroupSize, code: RowCode): void {
  const width = groupSize === -1 ? w.length : GROUP;
  let product = 0;
  let square = 0;
  for (let g = 0; g < code.s1.length; g++) {
    const end = Math.min((g + 1) * width, w.length);
    for (let i = g * width; i < end; i++) {
      const v = code.q[i] * code.s1[g] + code.m[g];
      product += w[i] * v;
      square += v * v;
    }
  }
  const s0 = Math.fround(product / square);
  if (s0 > 0 && s0 < Infinity && squaredError(w, groupSize, code, s0) < squaredError(w, groupSize, code)) code.s0 = s0;
}
