import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeSearch } from './ranges.ts';
import { allocateRowCode, groupCount, roundToNearest, squaredError, type GroupSize, type RowCode } from './rtn.ts';

const GROUP_SIZES: GroupSize[] = [128, -1];
const groupSize = fc.constantFrom<GroupSize>(128, -1);

/** Rows of every kind: normal, constant, zero, one outlier, all of one sign far from zero, tiny and huge. */
const row = fc
  .record({
    columns: fc.integer({ min: 1, max: 160 }).map((half) => 2 * half),
    seed: fc.integer(),
    kind: fc.constantFrom('normal', 'constant', 'zero', 'outlier', 'offset', 'two values', 'ends', 'sparse'),
    scale: fc.constantFrom(1e-42, 1e-30, 1e-4, 0.02, 1, 3e4, 1e30),
  })
  .map(({ columns, seed, kind, scale }) => {
    const random = randomizer(seed);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const w = Float64Array.from({ length: columns }, () => {
      switch (kind) {
        case 'constant':
          return -0.7;
        case 'zero':
          return 0;
        case 'offset':
          return 40 + normal();
        case 'two values':
          return random() < 0.5 ? -1 : 0.3;
        case 'ends':
          return Math.sign(random() - 0.5) * (1 - 0.05 * random());
        case 'sparse':
          return random() < 0.02 ? normal() : 0;
        default:
          return normal();
      }
    });
    if (kind === 'outlier') w[Math.floor(random() * columns)] = 300;
    return w.map((v) => Math.fround(v * scale));
  });

function randomizer(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

function expectWithinBounds(code: RowCode): void {
  for (let g = 0; g < code.s1.length; g++) {
    expect(code.s1[g]).toBeGreaterThanOrEqual(1);
    expect(code.s1[g]).toBeLessThanOrEqual(16);
    expect(code.m[g]).toBeGreaterThanOrEqual(-127);
    expect(code.m[g] + 15 * code.s1[g]).toBeLessThanOrEqual(127);
  }
  expect(code.q.every((q) => q <= 15)).toBe(true);
  expect(code.s0).toBeGreaterThan(0);
  expect(Math.fround(code.s0)).toBe(code.s0);
  expect(Number.isFinite(code.s0)).toBe(true);
}

describe('ranges', () => {
  it('never leaves the 8-bit range, by rounding or by search', () => {
    fc.assert(
      fc.property(row, groupSize, (w, size) => {
        const code = allocateRowCode(w.length, size);
        roundToNearest(w, size, code);
        expectWithinBounds(code);
        new RangeSearch(w.length, size).encode(w, code);
        expectWithinBounds(code);
      }),
      { numRuns: 400 },
    );
  });

  it('is never worse than rounding to nearest, and reports its error', () => {
    fc.assert(
      fc.property(row, groupSize, (w, size) => {
        const code = allocateRowCode(w.length, size);
        roundToNearest(w, size, code);
        const rounded = squaredError(w, size, code);
        const searched = new RangeSearch(w.length, size).encode(w, code);
        expect(searched).toBeLessThanOrEqual(rounded * (1 + 1e-12));
        expect(searched).toBe(squaredError(w, size, code));
      }),
      { numRuns: 400 },
    );
  });

  it.each(GROUP_SIZES)('gains on normal weights (group size %i)', (size) => {
    const random = randomizer(7);
    const w = Float64Array.from({ length: 2048 }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
    const code = allocateRowCode(w.length, size);
    roundToNearest(w, size, code);
    const rounded = squaredError(w, size, code);
    expect(new RangeSearch(w.length, size).encode(w, code)).toBeLessThan(0.92 * rounded);
  });

  it.each(GROUP_SIZES)('is exact for constant and zero rows (group size %i)', (size) => {
    for (const value of [0, 3, -0.25]) {
      const code = allocateRowCode(130, size);
      const error = new RangeSearch(130, size).encode(new Float64Array(130).fill(value), code);
      expect(Math.sqrt(error)).toBeLessThan(1e-6 * Math.abs(value) + 1e-12);
      expectWithinBounds(code);
    }
  });

  it('refuses NaN and infinity', () => {
    for (const size of GROUP_SIZES) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        const w = new Float64Array(8).fill(1);
        w[5] = bad;
        expect(() => new RangeSearch(8, size).encode(w, allocateRowCode(8, size))).toThrow('NaN or infinity');
      }
    }
  });

  it('counts a short last group', () => {
    expect(groupCount(130, 128)).toBe(2);
    expect(groupCount(130, -1)).toBe(1);
  });
});
