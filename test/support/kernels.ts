/** The kernels as tests see them, and random tensors, weights and steps to run them on. */
import { expect } from 'vitest';
import { buildKernels } from '../../kernels/build.mjs';
import { GROUP, groupsOf } from '../../src/backend/backend.ts';
import type { Activation, Backend, HostArray, StepInputs, Tensor, WeightRows, WeightSource } from '../../src/backend/backend.ts';
import { floatToHalf } from '../../src/backend/float.ts';
import { NativeBackend } from '../../src/backend/native.ts';

export const built = await buildKernels({ quiet: true });
export const library = 'path' in built ? built.path : null;
export const paths = library === null ? [] : pathsOf(library);

export function pathsOf(file: string): readonly string[] {
  const backend = new NativeBackend({ name: 'cpu', library: file, threads: 1 });
  const { paths: names } = backend.describe();
  backend.close();
  return names;
}

/** Random numbers with a seed: xorshift32. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = (seed * 2654435761) | 1;
  }
  next(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
  normals(length: number, scale = 1): Float32Array {
    return Float32Array.from({ length }, () => this.normal() * scale);
  }
}

/** ‖a − b‖ / ‖b‖. */
export function errorOf(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference) / (Math.sqrt(norm) || 1);
}

export function expectSameBits(a: Float32Array | Int8Array | Int32Array, b: Float32Array | Int8Array | Int32Array): void {
  const bytes = (x: typeof a): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  expect(bytes(a).equals(bytes(b))).toBe(true);
}

export const DTYPE_OF = { Float32Array: 'f32', Int32Array: 'i32', Int8Array: 'i8' } as const;

export function upload(backend: Backend, values: Float32Array | Int32Array | Int8Array): Tensor {
  const tensor = backend.allocate(DTYPE_OF[values.constructor.name as keyof typeof DTYPE_OF], values.length);
  backend.write(tensor, values);
  return tensor;
}

export function download<T extends HostArray>(backend: Backend, tensor: Tensor, target: T, offset = 0): T {
  backend.read(tensor, target, offset);
  return target;
}

export const floats = (backend: Backend, tensor: Tensor): Float32Array => download(backend, tensor, new Float32Array(tensor.length));

/** Row t of an activation as it lies in memory, and as the numbers that it means. */
export interface ActivationRow {
  readonly raw: Int8Array | Float32Array;
  readonly scale: number;
  readonly sums: Int32Array;
  readonly values: Float32Array;
}

export function readActivation(backend: Backend, activation: Activation, rows: number): ActivationRow[] {
  const { width } = activation;
  if (activation.kind === 'float') {
    const all = floats(backend, activation.values);
    return Array.from({ length: rows }, (_, t) => {
      const raw = all.slice(t * width, (t + 1) * width);
      return { raw, scale: 1, sums: new Int32Array(0), values: raw };
    });
  }
  const groups = groupsOf(width);
  const q = download(backend, activation.values, new Int8Array(activation.values.length));
  const scale = floats(backend, activation.scale);
  const sums = download(backend, activation.sums, new Int32Array(activation.sums.length));
  return Array.from({ length: rows }, (_, t) => {
    const raw = q.slice(t * groups * GROUP, (t + 1) * groups * GROUP);
    return { raw, scale: scale[t], sums: sums.slice(t * groups, (t + 1) * groups), values: Float32Array.from(raw, (x) => x * scale[t]) };
  });
}

/** A rounding may fall the other way where the last bits of a float differ; nothing else may. */
export function expectActivation(seen: ActivationRow, wanted: ActivationRow): void {
  if (wanted.raw instanceof Float32Array) {
    expect(errorOf(seen.values, wanted.values)).toBeLessThan(3e-6);
    return;
  }
  expect(Math.abs(seen.scale - wanted.scale)).toBeLessThanOrEqual(wanted.scale * 3e-6);
  let flips = 0;
  seen.raw.forEach((x, i) => {
    expect(Math.abs(x - wanted.raw[i])).toBeLessThanOrEqual(1);
    if (x !== wanted.raw[i]) flips++;
  });
  expect(flips).toBeLessThanOrEqual(1 + seen.raw.length * 0.002);
  seen.sums.forEach((sum, g) => expect(sum).toBe(Array.from(seen.raw.slice(g * GROUP, (g + 1) * GROUP)).reduce((a, b) => a + b, 0)));
}

export function expectSameActivation(a: ActivationRow, b: ActivationRow): void {
  expectSameBits(a.raw, b.raw);
  expect(a.scale).toBe(b.scale);
  expectSameBits(a.sums, b.sums);
}

export function denseSource(random: Random, N: number, K: number, dtype: 'f32' | 'f16' | 'bf16', name = 'weight'): WeightSource {
  const values = random.normals(N * K, 1 / Math.sqrt(K));
  const words = new Uint32Array(values.buffer);
  const all =
    dtype === 'f32' ? new Uint8Array(values.buffer) : new Uint8Array(Uint16Array.from(values, (x, i) => (dtype === 'f16' ? floatToHalf(x) : words[i] >>> 16)).buffer);
  const width = (all.length / N) | 0;
  const rows = (start: number, end: number): WeightRows => ({ kind: 'dense', dtype, values: all.subarray(start * width, end * width) });
  return { name, kind: 'dense', groupSize: -1, outFeatures: N, inFeatures: K, rows };
}

export function w4Source(random: Random, N: number, K: number, groupSize: number, name = 'weight'): WeightSource {
  const groups = groupSize === -1 ? 1 : groupsOf(K);
  const q = Uint8Array.from({ length: (N * K) / 2 }, () => random.integer(0, 255));
  const s1 = Uint8Array.from({ length: N * groups }, () => random.integer(1, 16));
  const m = Int8Array.from(s1, (s) => random.integer(-127, 127 - 15 * s));
  const s0 = Float32Array.from({ length: N }, () => 0.001 + random.next() * 0.001);
  const rows = (start: number, end: number): WeightRows => ({
    kind: 'w4',
    q: q.subarray((start * K) / 2, (end * K) / 2),
    s1: s1.subarray(start * groups, end * groups),
    m: m.subarray(start * groups, end * groups),
    s0: s0.subarray(start, end),
  });
  return { name, kind: 'w4', groupSize, outFeatures: N, inFeatures: K, rows };
}

export function uploadActivation(backend: Backend, kind: Activation['kind'], rows: number, width: number, seed: number): Activation {
  const random = new Random(seed);
  const activation = backend.allocateActivation(kind, rows, width);
  if (activation.kind === 'float') {
    backend.write(activation.values, random.normals(rows * width));
    return activation;
  }
  const groups = groupsOf(width);
  const q = new Int8Array(rows * groups * GROUP);
  const sums = new Int32Array(rows * groups);
  for (let t = 0; t < rows; t++) {
    for (let k = 0; k < width; k++) {
      const value = random.integer(-127, 127);
      q[t * groups * GROUP + k] = value;
      sums[t * groups + Math.floor(k / GROUP)] += value;
    }
  }
  backend.write(activation.values, q);
  backend.write(activation.sums, sums);
  backend.write(activation.scale, Float32Array.from({ length: rows }, () => 0.001 + random.next() * 0.01));
  return activation;
}

/** Copies of some rows, so that a row can be computed alone. */
export function sliceActivation(backend: Backend, activation: Activation, row: number): Activation {
  const one = backend.allocateActivation(activation.kind, 1, activation.width);
  const copy = <T extends HostArray>(from: Tensor, to: Tensor, buffer: T): void => {
    backend.read(from, buffer, row * to.length);
    backend.write(to, buffer);
  };
  if (activation.kind === 'float' && one.kind === 'float') {
    copy(activation.values, one.values, new Float32Array(one.values.length));
  } else if (activation.kind === 'int8' && one.kind === 'int8') {
    copy(activation.values, one.values, new Int8Array(one.values.length));
    copy(activation.scale, one.scale, new Float32Array(1));
    copy(activation.sums, one.sums, new Int32Array(one.sums.length));
  }
  return one;
}

export interface StepShape {
  readonly row: readonly number[];
  readonly position: readonly number[];
  readonly ropeRow?: readonly number[];
  readonly tokens?: Int32Array;
  readonly tokensPerRow?: number;
  readonly blockTables?: Int32Array;
  readonly blocksPerRow?: number;
}

export function uploadStep(backend: Backend, shape: StepShape): StepInputs {
  const ints = (values: readonly number[]): Tensor => upload(backend, Int32Array.from(values));
  return {
    size: shape.row.length,
    row: ints(shape.row),
    position: ints(shape.position),
    ropeRow: ints(shape.ropeRow ?? shape.position),
    tokens: upload(backend, shape.tokens ?? new Int32Array(4)),
    tokensPerRow: shape.tokensPerRow ?? 1,
    blockTables: upload(backend, shape.blockTables ?? new Int32Array(4)),
    blocksPerRow: shape.blocksPerRow ?? 1,
  };
}

export function w8Source(random: Random, N: number, K: number, name = 'weight'): WeightSource {
  const q = Int8Array.from({ length: N * K }, () => random.integer(-127, 127));
  const s0 = Float32Array.from({ length: N }, () => 0.001 + random.next() * 0.001);
  const rows = (start: number, end: number): WeightRows => ({ kind: 'w8', q: q.subarray(start * K, end * K), s0: s0.subarray(start, end) });
  return { name, kind: 'w8', groupSize: -1, outFeatures: N, inFeatures: K, rows };
}
