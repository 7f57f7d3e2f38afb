/** Carries one weight through the steps, some rows at a time, into the tensors of the file. */
import type { WeightSource } from '../backend/backend.ts';
import { BYTES } from '../backend/backend.ts';
import { bytesToFloat32, floatToHalf } from '../backend/float.ts';
import { CheckpointError } from '../model/safetensors.ts';
import { denseDType, type PlannedWeight } from './plan.ts';
import { RangeSearch } from './ranges.ts';
import type { Rotation } from './rotate.ts';
import { allocateRowCode, groupCount, type GroupSize, type RowCode } from './rtn.ts';

export interface EncodeSettings {
  readonly rotation: Rotation | null;
  readonly groupSize: GroupSize;
  /** Where the bytes of the tensor `name` go. */
  readonly write: (name: string, offset: number, bytes: Uint8Array) => void;
  /** Called after each piece with its number of weights; waits, so that others can run. */
  readonly onPiece: (weights: number) => Promise<void>;
}

/** ‖W − Ŵ‖² and ‖W‖², W after folding and rotation. */
export interface WeightError {
  readonly error: number;
  readonly norm: number;
}

/** Weights per piece: small enough to show progress and to stop soon. */
const PIECE = 1 << 18;

export async function encodeWeight(weight: PlannedWeight, settings: EncodeSettings): Promise<WeightError> {
  const rows = await openRows(weight, settings);
  const sink = new SINKS[weight.format](weight, settings);
  const total = { error: 0, norm: 0 };
  const row = new Float64Array(weight.columns);
  const step = rowsPerPiece(weight.columns);
  for (let start = 0; start < weight.rows; start += step) {
    const end = Math.min(start + step, weight.rows);
    const values = rows(start, end);
    sink.begin(start, end);
    for (let r = start; r < end; r++) {
      row.set(values.subarray((r - start) * weight.columns, (r - start + 1) * weight.columns));
      prepareRow(row, r, weight, settings.rotation);
      for (let i = 0; i < row.length; i++) total.norm += row[i] * row[i];
      total.error += sink.row(row, r - start);
    }
    sink.end();
    await settings.onPiece((end - start) * weight.columns);
  }
  return total;
}

const rowsPerPiece = (columns: number): number => Math.max(1, Math.floor(PIECE / columns));

/** Folds the norm and rotates the side that reads the residual stream. The reader lets only finite weights through, but products can leave float32. */
function prepareRow(row: Float64Array, r: number, weight: PlannedWeight, rotation: Rotation | null): void {
  if (weight.norm !== null) for (let i = 0; i < row.length; i++) row[i] *= weight.norm[i];
  if (weight.rotate === 'input' && rotation !== null) rotation.vector(row);
  for (let i = 0; i < row.length; i++) {
    if (Math.abs(row[i]) <= LARGEST_FLOAT32) continue;
    throw new CheckpointError(`tensor ${weight.source.name}.weight: row ${weight.firstRow + r} is too large for float32 after ${weight.norm === null ? 'rotation' : 'folding the norm'}`);
  }
}

const LARGEST_FLOAT32 = 2 ** 128 - 2 ** 104;

/** Rotating outputs mixes rows, so that such a weight is held whole, in float32. */
async function openRows(weight: PlannedWeight, settings: EncodeSettings): Promise<(start: number, end: number) => Float32Array> {
  const { source, firstRow, columns } = weight;
  if (weight.rotate !== 'output' || settings.rotation === null) return (start, end) => readRows(source, firstRow + start, firstRow + end);
  const all = new Float32Array(weight.rows * columns);
  const step = rowsPerPiece(columns);
  for (let start = 0; start < weight.rows; start += step) {
    all.set(readRows(source, firstRow + start, Math.min(firstRow + start + step, firstRow + weight.rows)), start * columns);
  }
  await settings.onPiece(0);
  settings.rotation.outputs(all, columns);
  await settings.onPiece(0);
  return (start, end) => all.subarray(start * columns, end * columns);
}

function readRows(source: WeightSource, start: number, end: number): Float32Array {
  const rows = source.rows(start, end);
  if (rows.kind !== 'dense') throw new CheckpointError(`tensor ${source.name}: is quantized already`);
  return bytesToFloat32(rows.dtype, rows.values);
}

/** Collects the rows of a piece and writes them. */
interface Sink {
  begin(start: number, end: number): void;
  /** Returns the row's squared error. */
  row(values: Float64Array, at: number): number;
  end(): void;
}

class FourBitSink implements Sink {
  readonly #weight: PlannedWeight;
  readonly #settings: EncodeSettings;
  readonly #search: RangeSearch;
  readonly #code: RowCode;
  readonly #groups: number;
  #start = 0;
  #q = new Uint8Array(0);
  #s1 = new Uint8Array(0);
  #m = new Int8Array(0);
  #s0 = new Float32Array(0);

  constructor(weight: PlannedWeight, settings: EncodeSettings) {
    if (weight.columns % 2 !== 0) throw new CheckpointError(`tensor ${weight.source.name}.weight: 4 bits need an even number of columns, seen ${weight.columns}`);
    this.#weight = weight;
    this.#settings = settings;
    this.#search = new RangeSearch(weight.columns, settings.groupSize);
    this.#code = allocateRowCode(weight.columns, settings.groupSize);
    this.#groups = groupCount(weight.columns, settings.groupSize);
  }

  begin(start: number, end: number): void {
    const rows = end - start;
    this.#start = start;
    this.#q = new Uint8Array((rows * this.#weight.columns) / 2);
    this.#s1 = new Uint8Array(rows * this.#groups);
    this.#m = new Int8Array(rows * this.#groups);
    this.#s0 = new Float32Array(rows);
  }

  row(values: Float64Array, at: number): number {
    const code = this.#code;
    const error = this.#search.encode(values, code);
    const half = values.length / 2;
    for (let i = 0; i < half; i++) this.#q[at * half + i] = code.q[2 * i] | (code.q[2 * i + 1] << 4);
    this.#s1.set(code.s1, at * this.#groups);
    this.#m.set(code.m, at * this.#groups);
    this.#s0[at] = code.s0;
    return error;
  }

  end(): void {
    const { name, columns } = this.#weight;
    const { write } = this.#settings;
    write(`${name}.qweight`, (this.#start * columns) / 2, this.#q);
    write(`${name}.s1`, this.#start * this.#groups, this.#s1);
    write(`${name}.m`, this.#start * this.#groups, bytesOf(this.#m));
    write(`${name}.s0`, this.#start * 4, bytesOf(this.#s0));
  }
}

/** q = round(W / s0), s0 = max|W| / 127 of the row. */
class EightBitSink implements Sink {
  readonly #weight: PlannedWeight;
  readonly #settings: EncodeSettings;
  #start = 0;
  #q = new Int8Array(0);
  #s0 = new Float32Array(0);

  constructor(weight: PlannedWeight, settings: EncodeSettings) {
    this.#weight = weight;
    this.#settings = settings;
  }

  begin(start: number, end: number): void {
    this.#start = start;
    this.#q = new Int8Array((end - start) * this.#weight.columns);
    this.#s0 = new Float32Array(end - start);
  }

  row(values: Float64Array, at: number): number {
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const s0 = Math.fround(most / 127);
    this.#s0[at] = s0;
    let error = 0;
    for (let i = 0; i < values.length; i++) {
      const q = s0 === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(values[i] / s0)));
      this.#q[at * values.length + i] = q;
      error += (values[i] - q * s0) ** 2;
    }
    return error;
  }

  end(): void {
    const { name, columns } = this.#weight;
    this.#settings.write(`${name}.qweight`, this.#start * columns, bytesOf(this.#q));
    this.#settings.write(`${name}.s0`, this.#start * 4, bytesOf(this.#s0));
  }
}

class DenseSink implements Sink {
  readonly #weight: PlannedWeight;
  readonly #settings: EncodeSettings;
  readonly #dtype: 'f32' | 'f16' | 'bf16';
  #start = 0;
  #values = new Float32Array(0);

  constructor(weight: PlannedWeight, settings: EncodeSettings) {
    this.#weight = weight;
    this.#settings = settings;
    this.#dtype = denseDType(weight);
  }

  begin(start: number, end: number): void {
    this.#start = start;
    this.#values = new Float32Array((end - start) * this.#weight.columns);
  }

  row(values: Float64Array, at: number): number {
    this.#values.set(values, at * values.length);
    return 0;
  }

  end(): void {
    const { name, columns } = this.#weight;
    this.#settings.write(`${name}.weight`, this.#start * columns * BYTES[this.#dtype], fromFloat32(this.#dtype, this.#values));
  }
}

const SINKS = { w4: FourBitSink, w8: EightBitSink, dense: DenseSink };

/** Rounds to nearest even; values that have the dtype already keep their bits. */
export function fromFloat32(dtype: 'f32' | 'f16' | 'bf16', values: Float32Array): Uint8Array {
  if (dtype === 'f32') return bytesOf(values);
  const halves = new Uint16Array(values.length);
  if (dtype === 'f16') {
    for (let i = 0; i < values.length; i++) halves[i] = floatToHalf(values[i]);
  } else {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < words.length; i++) halves[i] = (words[i] + 0x7fff + ((words[i] >>> 16) & 1)) >>> 16;
  }
  return bytesOf(halves);
}

export const bytesOf = (values: Float32Array | Uint16Array | Int8Array | Uint8Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
