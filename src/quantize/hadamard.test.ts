import { describe, expect, it } from 'vitest';
import { hadamard, rotateInPlace } from './hadamard.ts';

/** Orders of the dense factor, over every field that the construction uses (25, 27, 49, 343 are prime powers). */
const ORDERS = [12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 100, 108, 124, 132, 140, 148, 164, 312, 344, 368];
const HIDDEN_SIZES = [64, 128, 256, 512, 576, 768, 896, 960, 1024, 1152, 1536, 2048, 2304, 2560, 3072, 3584, 4096, 5120, 6656, 8192, 11008];

describe('hadamard', () => {
  it.each(ORDERS)('is orthogonal with entries ±1 at order %i', (order) => {
    const h = hadamard(order);
    expect(h?.order).toBe(order);
    const { factor } = h!;
    expect(factor.every((v) => v === 1 || v === -1)).toBe(true);
    for (let i = 0; i < order; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < order; k++) dot += factor[i * order + k] * factor[j * order + k];
        if (dot !== (i === j ? order : 0)) throw new Error(`rows ${i} and ${j}: ${dot}`);
      }
    }
  });

  it.each(HIDDEN_SIZES)('keeps lengths and products at size %i', (size) => {
    const h = hadamard(size)!;
    const x = Float64Array.from({ length: size }, (_, i) => Math.sin(i * i + 1));
    const y = Float64Array.from({ length: size }, (_, i) => Math.cos(3 * i + 1) / (1 + (i % 7)));
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
    const before = [dot(x, x), dot(x, y)];
    const scratch = new Float64Array(size);
    rotateInPlace(h, x, 1, scratch);
    rotateInPlace(h, y, 1, scratch);
    expect(dot(x, x)).toBeCloseTo(before[0], 8);
    expect(dot(x, y)).toBeCloseTo(before[1], 8);
  });

  it('rotates columns side by side as it rotates each alone', () => {
    const h = hadamard(24)!;
    const inner = 5;
    const x = Float64Array.from({ length: 24 * inner }, (_, i) => Math.sin(i));
    const columns = Array.from({ length: inner }, (_, c) => Float64Array.from({ length: 24 }, (_, i) => x[i * inner + c]));
    rotateInPlace(h, x, inner, new Float64Array(x.length));
    for (const [c, column] of columns.entries()) {
      rotateInPlace(h, column, 1, new Float64Array(24));
      column.forEach((v, i) => expect(x[i * inner + c]).toBeCloseTo(v, 12));
    }
  });

  it('says where there is no matrix', () => {
    for (const size of [0, 3, 6, 30, 92, 172, 1.5]) expect(hadamard(size)).toBeNull();
  });
});
