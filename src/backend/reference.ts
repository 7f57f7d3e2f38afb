/**
 * Every op in plain loops: what the kernels must agree with, and what runs where nothing can be compiled.
 * Letters as in backend.ts.
 */
import { freemem } from 'node:os';
import {
  BackendError,
  GROUP,
  ATTEND_CHUNK,
  ATTEND_LANES,
  MAX_TOP_LOGPROBS,
  QUERY_LEVELS,
  SAMPLE_ENTRY,
  SAMPLE_PARAMS,
  SAMPLE_RESULT,
  WEIGHT_LEVELS,
  groupsOf,
} from './backend.ts';
import type {
  Activation,
  AttendArgs,
  Backend,
  CacheShape,
  DType,
  EmbedArgs,
  Fence,
  GateQuantizeArgs,
  HostArray,
  KVCache,
  LinearArgs,
  LogitsArgs,
  NormQuantizeArgs,
  PackedLinear,
  RopeStoreArgs,
  SampleArgs,
  StepInputs,
  Tensor,
  WeightSource,
} from './backend.ts';
import { HALF_TO_FLOAT, bytesToFloat32, floatToHalf } from './float.ts';

const ARRAYS = { f32: Float32Array, f16: Uint16Array, bf16: Uint16Array, i32: Int32Array, i8: Int8Array, u8: Uint8Array } as const;

interface DenseData {
  /** f32 [N, K]. */
  readonly values: Float32Array;
}

interface W8Data {
  /** i8 [N, K]. */
  readonly q: Int8Array;
  readonly s0: Float32Array;
}

interface W4Data {
  /** u8 [N, K], one uint4 each. */
  readonly q: Uint8Array;
  /** [N, groups]; a group has `groupWidth` columns. */
  readonly s1: Uint8Array;
  readonly m: Int8Array;
  readonly s0: Float32Array;
  readonly groupWidth: number;
  readonly groups: number;
}

/** Per layer: codes [slots, G, D] with scale and minimum [slots, G] for keys and values, or float32 values. */
interface CacheLayer {
  readonly keys: Uint8Array | Float32Array;
  readonly values: Uint8Array | Float32Array;
  readonly keyScales: Uint16Array;
  readonly keyMinima: Uint16Array;
  readonly valueScales: Uint16Array;
  readonly valueMinima: Uint16Array;
}

export class ReferenceBackend implements Backend {
  readonly name = 'reference';
  readonly description = 'plain TypeScript loops, one thread';

  availableBytes(): number {
    return freemem();
  }

  allocate(dtype: DType, length: number): Tensor {
    return { dtype, length, data: new ARRAYS[dtype](length) };
  }

  allocateActivation(kind: Activation['kind'], rows: number, width: number): Activation {
    if (kind === 'float') return { kind, width, values: this.allocate('f32', rows * width) };
    const groups = groupsOf(width);
    return {
      kind,
      width,
      values: this.allocate('i8', rows * groups * GROUP),
      scale: this.allocate('f32', rows),
      sums: this.allocate('i32', rows * groups),
    };
  }

  allocateCache(shape: CacheShape): KVCache {
    const heads = shape.numBlocks * shape.blockSize * shape.numKVHeads;
    const kv4 = shape.precision === 'kv4';
    const Values = kv4 ? Uint8Array : Float32Array;
    const layers: CacheLayer[] = Array.from({ length: shape.numLayers }, () => ({
      keys: new Values(heads * shape.headSize),
      values: new Values(heads * shape.headSize),
      keyScales: new Uint16Array(kv4 ? heads : 0),
      keyMinima: new Uint16Array(kv4 ? heads : 0),
      valueScales: new Uint16Array(kv4 ? heads : 0),
      valueMinima: new Uint16Array(kv4 ? heads : 0),
    }));
    const bytes = shape.numLayers * heads * (kv4 ? 2 * shape.headSize + 8 : 8 * shape.headSize);
    return { ...shape, bytes, data: layers };
  }

  packLinear(parts: readonly WeightSource[], bias: Float32Array | null): PackedLinear {
    const { kind, inFeatures, groupSize } = parts[0];
    const outFeatures = parts.reduce((sum, part) => sum + part.outFeatures, 0);
    for (const part of parts) {
      if (part.inFeatures !== inFeatures || part.kind !== kind || part.groupSize !== groupSize) {
        throw new BackendError(`packLinear: ${part.name} (${part.kind}, ${part.inFeatures} inputs, group ${part.groupSize}) cannot follow ${parts[0].name} (${kind}, ${inFeatures}, ${groupSize})`);
      }
    }
    const data = PACK[kind](parts, outFeatures, inFeatures);
    const bytes = Object.values(data).reduce((sum, array: unknown) => sum + (ArrayBuffer.isView(array) ? array.byteLength : 0), 0);
    return { kind, outFeatures, inFeatures, bytes, bias: bias && { dtype: 'f32', length: bias.length, data: bias.slice() }, data };
  }

  /** Memory belongs to the garbage collector. */
  free(): void {}

  write(target: Tensor, source: HostArray, offset = 0): void {
    (target.data as Float32Array).set(source as Float32Array, offset);
  }

  fence(): Fence {
    return 0;
  }

  read(source: Tensor, target: HostArray, offset = 0): void {
    target.set((source.data as Float32Array).subarray(offset, offset + target.length) as never);
  }

  embed({ step, table, scale, out }: EmbedArgs): void {
    const x = f32(out);
    const C = table.inFeatures;
    const tokens = i32(step.tokens);
    for (let t = 0; t < step.size; t++) {
      const row = i32(step.row)[t];
      if (row < 0) continue;
      const token = tokens[row * step.tokensPerRow + i32(step.position)[t]];
      if (token < 0 || token >= table.outFeatures) throw new BackendError(`embed: token ${token} at step index ${t}; the table has ${table.outFeatures} rows`);
      for (let c = 0; c < C; c++) x[t * C + c] = round(weightAt(table, token, c)) * scale;
    }
  }

  normQuantize(args: NormQuantizeArgs): void {
    const { size, width: C, epsilon } = args;
    const residual = f32(args.residual);
    const weight = f32(args.weight);
    const y = new Float32Array(C);
    for (let i = 0; i < size; i++) {
      const x = row(residual, args.gather === null ? i : i32(args.gather)[i], C);
      if (args.delta !== null) {
        const delta = row(f32(args.delta), args.gather === null ? i : i32(args.gather)[i], C);
        if (args.deltaNorm === null) {
          for (let c = 0; c < C; c++) x[c] += delta[c];
        } else {
          const inverse = inverseRms(delta, epsilon);
          const deltaNorm = f32(args.deltaNorm);
          for (let c = 0; c < C; c++) x[c] += round(round(delta[c] * inverse) * deltaNorm[c]);
        }
      }
      const inverse = inverseRms(x, epsilon);
      for (let c = 0; c < C; c++) y[c] = round(x[c] * inverse) * weight[c];
      storeActivation(args.out, i, y);
    }
  }

  linear({ size, input, weight, out }: LinearArgs): void {
    const y = f32(out);
    const N = weight.outFeatures;
    const K = weight.inFeatures;
    const bias = weight.bias === null ? null : f32(weight.bias);
    if ((input.kind === 'float') !== (weight.kind === 'dense') || input.width !== K) {
      throw new BackendError(`linear: a ${weight.kind} weight [${N}, ${K}] cannot take a ${input.kind} input of width ${input.width}`);
    }
    if (input.kind === 'float') {
      const x = f32(input.values);
      const w = (weight.data as DenseData).values;
      for (let t = 0; t < size; t++) {
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += x[t * K + k] * w[n * K + k];
          y[t * N + n] = sum + (bias === null ? 0 : bias[n]);
        }
      }
      return;
    }
    const stride = groupsOf(K) * GROUP;
    const x = input.values.data as Int8Array;
    const scale = f32(input.scale);
    if (weight.kind === 'w8') {
      const { q, s0 } = weight.data as W8Data;
      for (let t = 0; t < size; t++) {
        for (let n = 0; n < N; n++) {
          let total = 0;
          for (let k = 0; k < K; k++) total += x[t * stride + k] * q[n * K + k];
          const sum = round(round(round(total) * scale[t]) * s0[n]);
          y[t * N + n] = bias === null ? sum : sum + bias[n];
        }
      }
      return;
    }
    const { q, s1, m, s0, groupWidth, groups } = weight.data as W4Data;
    for (let t = 0; t < size; t++) {
      for (let n = 0; n < N; n++) {
        let total = 0;
        for (let g = 0; g < groups; g++) {
          let products = 0;
          let sum = 0;
          for (let k = g * groupWidth; k < Math.min(K, (g + 1) * groupWidth); k++) {
            products += x[t * stride + k] * q[n * K + k];
            sum += x[t * stride + k];
          }
          total += s1[n * groups + g] * products + m[n * groups + g] * sum;
        }
        const sum = round(round(round(total) * scale[t]) * s0[n]);
        y[t * N + n] = bias === null ? sum : sum + bias[n];
      }
    }
  }

  ropeStore(args: RopeStoreArgs): void {
    const { step, cache, numHeads: H, rotaryDim, epsilon } = args;
    const G = cache.numKVHeads;
    const D = cache.headSize;
    const layer = (cache.data as CacheLayer[])[args.layer];
    const qkv = f32(args.qkv);
    const width = (H + 2 * G) * D;
    for (let t = 0; t < step.size; t++) {
      if (i32(step.row)[t] < 0) continue;
      const angles = row(f32(args.ropeTable), i32(step.ropeRow)[t], rotaryDim);
      const slot = slotOf(step, cache, t, i32(step.position)[t]);
      for (let h = 0; h < H + G; h++) {
        const head = qkv.subarray(t * width + h * D, t * width + (h + 1) * D);
        const norm = h < H ? args.qNorm : args.kNorm;
        if (norm !== null) {
          const inverse = inverseRms(head, epsilon);
          for (let d = 0; d < D; d++) head[d] = round(head[d] * inverse) * f32(norm)[d];
        }
        rotate(head, angles);
        if (h >= H) store(layer.keys, layer.keyScales, layer.keyMinima, slot * G + h - H, head);
      }
      for (let g = 0; g < G; g++) {
        const value = qkv.subarray(t * width + (H + G + g) * D, t * width + (H + G + g + 1) * D);
        store(layer.values, layer.valueScales, layer.valueMinima, slot * G + g, value);
      }
    }
  }

  attend(args: AttendArgs): void {
    const { step, cache, numHeads: H } = args;
    const D = cache.headSize;
    const width = (H + 2 * cache.numKVHeads) * D;
    const out = new Float32Array(H * D);
    for (let t = 0; t < step.size; t++) {
      if (i32(step.row)[t] < 0) continue;
      for (let h = 0; h < H; h++) {
        const q = f32(args.qkv).subarray(t * width + h * D, t * width + (h + 1) * D);
        attendHead(args, t, Math.floor(h / (H / cache.numKVHeads)), q, out.subarray(h * D, (h + 1) * D));
      }
      storeActivation(args.out, t, out);
    }
  }

  gateQuantize({ size, gateUp, activation, out }: GateQuantizeArgs): void {
    const F = out.width;
    const x = f32(gateUp);
    const gate = activation === 'silu' ? silu : geluTanh;
    const y = new Float32Array(F);
    for (let t = 0; t < size; t++) {
      for (let i = 0; i < F; i++) y[i] = gate(x[t * 2 * F + i]) * x[t * 2 * F + F + i];
      storeActivation(out, t, y);
    }
  }

  logits({ size, input, weight, softcap, out }: LogitsArgs): void {
    this.linear({ size, input, weight, out });
    if (softcap === 0) return;
    const y = f32(out);
    for (let i = 0; i < size * weight.outFeatures; i++) y[i] = softcap * Math.tanh(y[i] / softcap);
  }

  sample(args: SampleArgs): void {
    const V = args.vocabSize;
    const words = Math.ceil(V / 32);
    for (let s = 0; s < args.size; s++) {
      const entry = Object.fromEntries(SAMPLE_ENTRY.map((name, i) => [name, i32(args.entries)[s * SAMPLE_ENTRY.length + i]])) as Record<(typeof SAMPLE_ENTRY)[number], number>;
      const params = Object.fromEntries(SAMPLE_PARAMS.map((name, i) => [name, f32(args.params)[s * SAMPLE_PARAMS.length + i]])) as Record<(typeof SAMPLE_PARAMS)[number], number>;
      const raw = row(f32(args.logits), s, V);
      const adjusted = Float32Array.from(raw);
      const history = i32(args.step.tokens).subarray(entry.row * args.step.tokensPerRow, entry.row * args.step.tokensPerRow + entry.position + 1);

      for (let i = entry.biasStart; i < entry.biasStart + entry.biasCount; i++) adjusted[i32(args.biasIds)[i]] += f32(args.biasValues)[i];
      penalize(adjusted, history, entry.promptLength, params.repetitionPenalty, params.presencePenalty, params.frequencyPenalty);

      const logProb = logSoftmax(raw);
      let legalMass = 1;
      if (entry.mask >= 0) {
        const mask = row(i32(args.masks), entry.mask, words);
        legalMass = 0;
        for (let v = 0; v < V; v++) {
          if ((mask[v >> 5] >>> (v & 31)) & 1) legalMass += Math.exp(logProb(v));
          else adjusted[v] = -Infinity;
        }
      }
      const token = draw(adjusted, params, uniform(entry.seedLow, entry.seedHigh, entry.position + 1));
      i32(args.step.tokens)[entry.row * args.step.tokensPerRow + entry.position + 1] = token;

      const result = row(f32(args.result), s, SAMPLE_RESULT);
      result[0] = token;
      result[1] = logProb(token);
      result[2] = legalMass;
      const top = largest(raw, entry.topLogprobs);
      for (let i = 0; i < MAX_TOP_LOGPROBS; i++) {
        result[3 + 2 * i] = i < top.length ? top[i] : -1;
        result[4 + 2 * i] = i < top.length ? logProb(top[i]) : 0;
      }
    }
  }

  close(): void {}
}

/** Every product and sum of rows is rounded to float32, as kernels round it: a last bit decides now and then what a value becomes in int8. */
const round = Math.fround;
const f32 = (tensor: Tensor): Float32Array => tensor.data as Float32Array;
const i32 = (tensor: Tensor): Int32Array => tensor.data as Int32Array;

function row<T extends Float32Array | Int32Array>(array: T, index: number, width: number): T {
  return array.subarray(index * width, (index + 1) * width) as T;
}

function packDense(parts: readonly WeightSource[], N: number, K: number): DenseData {
  const values = new Float32Array(N * K);
  let at = 0;
  for (const part of parts) {
    const rows = part.rows(0, part.outFeatures);
    if (rows.kind !== 'dense') throw new BackendError(`packLinear: ${part.name} gave ${rows.kind} rows`);
    values.set(bytesToFloat32(rows.dtype, rows.values), at);
    at += part.outFeatures * K;
  }
  return { values };
}

function packW4(parts: readonly WeightSource[], N: number, K: number): W4Data {
  const groupWidth = parts[0].groupSize === -1 ? K : parts[0].groupSize;
  const groups = Math.ceil(K / groupWidth);
  const data = { q: new Uint8Array(N * K), s1: new Uint8Array(N * groups), m: new Int8Array(N * groups), s0: new Float32Array(N), groupWidth, groups };
  let n = 0;
  for (const part of parts) {
    const rows = part.rows(0, part.outFeatures);
    if (rows.kind !== 'w4') throw new BackendError(`packLinear: ${part.name} gave ${rows.kind} rows`);
    for (let i = 0; i < (part.outFeatures * K) / 2; i++) {
      data.q[n * K + 2 * i] = rows.q[i] & 15;
      data.q[n * K + 2 * i + 1] = rows.q[i] >> 4;
    }
    data.s1.set(rows.s1, n * groups);
    data.m.set(rows.m, n * groups);
    data.s0.set(rows.s0, n);
    n += part.outFeatures;
  }
  return data;
}

function packW8(parts: readonly WeightSource[], N: number, K: number): W8Data {
  const data = { q: new Int8Array(N * K), s0: new Float32Array(N) };
  let n = 0;
  for (const part of parts) {
    const rows = part.rows(0, part.outFeatures);
    if (rows.kind !== 'w8') throw new BackendError(`packLinear: ${part.name} gave ${rows.kind} rows`);
    data.q.set(rows.q, n * K);
    data.s0.set(rows.s0, n);
    n += part.outFeatures;
  }
  return data;
}

const PACK = { dense: packDense, w4: packW4, w8: packW8 };

function weightAt(weight: PackedLinear, n: number, k: number): number {
  const K = weight.inFeatures;
  if (weight.kind === 'dense') return (weight.data as DenseData).values[n * K + k];
  if (weight.kind === 'w8') {
    const { q, s0 } = weight.data as W8Data;
    return q[n * K + k] * s0[n];
  }
  const { q, s1, m, s0, groupWidth, groups } = weight.data as W4Data;
  const g = n * groups + Math.floor(k / groupWidth);
  return (q[n * K + k] * s1[g] + m[g]) * s0[n];
}

function inverseRms(x: Float32Array, epsilon: number): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return round(1 / Math.sqrt(sum / x.length + round(epsilon)));
}

/** Writes row t: as it is, or as int8 with its scale and group sums. */
function storeActivation(out: Activation, t: number, y: Float32Array): void {
  if (out.kind === 'float') {
    f32(out.values).set(y, t * out.width);
    return;
  }
  const groups = groupsOf(out.width);
  const q = (out.values.data as Int8Array).subarray(t * groups * GROUP, (t + 1) * groups * GROUP);
  const sums = row(i32(out.sums), t, groups);
  let most = 0;
  for (let i = 0; i < y.length; i++) most = Math.max(most, Math.abs(y[i]));
  const inverse = most === 0 ? 0 : round(127 / most);
  q.fill(0);
  sums.fill(0);
  for (let i = 0; i < y.length; i++) {
    q[i] = roundEven(round(y[i] * inverse));
    sums[Math.floor(i / GROUP)] += q[i];
  }
  f32(out.scale)[t] = most / 127;
}

/** To the nearest integer, ties to even. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Rotates the pairs (i, i + half) of the leading elements; angles: cosines, then sines. */
function rotate(head: Float32Array, angles: Float32Array): void {
  const half = angles.length / 2;
  for (let i = 0; i < half; i++) {
    const a = head[i];
    const b = head[i + half];
    head[i] = round(a * angles[i]) - round(b * angles[half + i]);
    head[i + half] = round(b * angles[i]) + round(a * angles[half + i]);
  }
}

function slotOf(step: StepInputs, cache: KVCache, t: number, position: number): number {
  const block = i32(step.blockTables)[i32(step.row)[t] * step.blocksPerRow + Math.floor(position / cache.blockSize)];
  return block * cache.blockSize + (position % cache.blockSize);
}

/** One query head over the positions it sees, chunk after chunk: see AttendArgs. */
function attendHead(args: AttendArgs, t: number, g: number, q: Float32Array, out: Float32Array): void {
  const { step, cache, window } = args;
  const D = cache.headSize;
  const position = i32(step.position)[t];
  const first = window > 0 ? Math.max(0, position + 1 - window) : 0;
  const sum = new Float64Array(D);
  let total = 0;
  let minimum = 0;
  let exponent = -Infinity;
  for (let begin = Math.floor(first / ATTEND_CHUNK) * ATTEND_CHUNK; begin <= position; begin += ATTEND_CHUNK) {
    const places: Place[] = [];
    for (let p = Math.max(begin, first); p <= Math.min(position, begin + ATTEND_CHUNK - 1); p++) {
      places.push({ head: slotOf(step, cache, t, p) * cache.numKVHeads + g, lane: (p % cache.blockSize) % ATTEND_LANES });
    }
    const scores = attendScores(args, q, places);
    const own = Math.ceil(Math.max(...scores));
    const chunk = attendValues(args, scores.map((score) => exp2(round(score - own))), places);
    const most = Math.max(exponent, own);
    const factor = 2 ** (own - most);
    const old = exponent === -Infinity ? 0 : 2 ** (exponent - most);
    for (let d = 0; d < D; d++) sum[d] = sum[d] * old + chunk.sums[d] * (chunk.unit * factor);
    total = total * old + chunk.total * factor;
    minimum = minimum * old + chunk.minimum * factor;
    exponent = most;
  }
  for (let d = 0; d < D; d++) out[d] = (sum[d] + minimum) / total;
}

/** A token in the cache: which head, and its lane in sums over tokens. */
interface Place {
  readonly head: number;
  readonly lane: number;
}

/** Scores of a query against cached keys, as exponents of two. */
function attendScores({ layer, cache, scale, softcap }: AttendArgs, q: Float32Array, places: readonly Place[]): number[] {
  const D = cache.headSize;
  const { keys, keyScales, keyMinima } = (cache.data as CacheLayer[])[layer];
  const unit = softcap === 0 ? LOG2_E : 1;
  const exponent = (score: number): number => (softcap === 0 ? score : round(round(round(softcap) * tanh(score / round(softcap))) * LOG2_E));
  if (cache.precision === 'full') return places.map(({ head }) => exponent(round(round(round(scale) * dot(q, keys, head * D)) * unit)));
  const most = q.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
  const inverse = most === 0 ? 0 : round(QUERY_LEVELS / most);
  const integers = q.map((x) => roundEven(round(x * inverse)));
  const querySum = integers.reduce((a, b) => a + b, 0);
  const queryScale = round(round(round(most / QUERY_LEVELS) * round(scale)) * unit);
  return places.map(({ head }) => {
    const score = round(round(HALF_TO_FLOAT[keyScales[head]] * dot(integers, keys, head * D)) + round(HALF_TO_FLOAT[keyMinima[head]] * querySum));
    return exponent(round(score * queryScale));
  });
}

/** What the places of a chunk give: the sum of probabilities, that of probabilities times minima, and weighted codes (values) in a unit. */
interface ChunkValues {
  readonly total: number;
  readonly minimum: number;
  readonly unit: number;
  readonly sums: Float64Array;
}

function attendValues({ layer, cache }: AttendArgs, probabilities: readonly number[], places: readonly Place[]): ChunkValues {
  const D = cache.headSize;
  const { values, valueScales, valueMinima } = (cache.data as CacheLayer[])[layer];
  const sums = new Float64Array(D);
  const total = laneSum(probabilities, places);
  if (cache.precision === 'full') {
    places.forEach(({ head }, i) => addScaled(sums, probabilities[i], values, head * D));
    return { total, minimum: 0, unit: 1, sums };
  }
  const largest = places.reduce((most, { head }) => Math.max(most, HALF_TO_FLOAT[valueScales[head]]), 0);
  const inverse = largest === 0 ? 0 : round(WEIGHT_LEVELS / largest);
  places.forEach(({ head }, i) => {
    const weight = roundEven(round(probabilities[i] * round(HALF_TO_FLOAT[valueScales[head]] * inverse)));
    addScaled(sums, weight, values, head * D);
  });
  const minimum = laneSum(places.map(({ head }, i) => round(probabilities[i] * HALF_TO_FLOAT[valueMinima[head]])), places);
  return { total, minimum, unit: largest / WEIGHT_LEVELS, sums };
}

/** In float32: each lane in order of position, then halves of the lanes. */
function laneSum(terms: readonly number[], places: readonly Place[]): number {
  const lanes = new Float32Array(ATTEND_LANES);
  terms.forEach((term, i) => (lanes[places[i].lane] += term));
  for (let half = ATTEND_LANES / 2; half >= 1; half /= 2) {
    for (let i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

function dot(x: Float32Array, y: Float32Array | Uint8Array, at: number): number {
  let sum = 0;
  for (let d = 0; d < x.length; d++) sum += x[d] * y[at + d];
  return sum;
}

function addScaled(sum: Float64Array, factor: number, x: Float32Array | Uint8Array, at: number): void {
  for (let d = 0; d < sum.length; d++) sum[d] += factor * x[at + d];
}

/** KV4 (QServe, arXiv 2405.04532 section 4.2, asymmetric per token and head; minimum in place of a zero point). */
function store(codes: Uint8Array | Float32Array, scales: Uint16Array, minima: Uint16Array, index: number, x: Float32Array): void {
  const D = x.length;
  if (codes instanceof Float32Array) {
    codes.set(x, index * D);
    return;
  }
  let least = Infinity;
  let most = -Infinity;
  for (let d = 0; d < D; d++) {
    least = Math.min(least, x[d]);
    most = Math.max(most, x[d]);
  }
  scales[index] = floatToHalf(round(round(most - least) / 15));
  minima[index] = floatToHalf(least);
  const scale = HALF_TO_FLOAT[scales[index]];
  const minimum = HALF_TO_FLOAT[minima[index]];
  for (let d = 0; d < D; d++) {
    codes[index * D + d] = scale === 0 ? 0 : Math.min(15, Math.max(0, roundEven(round(round(x[d] - minimum) / scale))));
  }
}

const LOG2_E = round(Math.LOG2E);
const EXP2 = [0.001326472731307149, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1].map(round);

/** 2^x to about 2e-7, for x from -125 (less is taken for that) to 126, in operations of float32 that every device has: no table, no fused sums. */
function exp2(x: number): number {
  const y = Math.max(x, -125);
  const n = round(round(y + 12582912) - 12582912);
  const r = round(y - n);
  let p = EXP2[0];
  for (let i = 1; i < EXP2.length; i++) p = round(round(p * r) + EXP2[i]);
  return p * 2 ** n;
}

/** x / (1 + 2^exponent), in float32. */
const gated = (x: number, exponent: number): number => round(x / round(1 + exp2(Math.min(exponent, 126))));
const silu = (x: number): number => gated(x, round(x * -LOG2_E));
/** 0.5 x (1 + tanh(z / 2)) = x / (1 + e^-z) */
const geluTanh = (x: number): number => gated(x, round(round(x + round(round(round(x * x) * x) * round(0.044715))) * round(-2.3022082)));

/** exp to about 1e-15 in plain operations of float64: as exp2, for the soft cap. */
function exponential(x: number): number {
  const y = Math.min(700, Math.max(-700, x));
  const n = y * Math.LOG2E + 6755399441055744 - 6755399441055744;
  const r = y - n * 0.69314718036912381649 - n * 1.90821492927058770002e-10;
  let p = 1 / 6227020800;
  for (const factorial of [479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1]) p = p * r + 1 / factorial;
  return p * 2 ** n;
}
function tanh(x: number): number {
  const e = exponential(2 * x);
  return (e - 1) / (e + 1);
}

function penalize(logits: Float32Array, history: Int32Array, promptLength: number, repetition: number, presence: number, frequency: number): void {
  if (repetition !== 1) {
    for (const v of new Set(history)) logits[v] = logits[v] > 0 ? logits[v] / repetition : logits[v] * repetition;
  }
  if (presence === 0 && frequency === 0) return;
  const counts = new Map<number, number>();
  for (const v of history.subarray(promptLength)) counts.set(v, (counts.get(v) ?? 0) + 1);
  for (const [v, count] of counts) logits[v] -= presence + frequency * count;
}

function logSoftmax(logits: Float32Array): (v: number) => number {
  let most = -Infinity;
  for (let v = 0; v < logits.length; v++) most = Math.max(most, logits[v]);
  let total = 0;
  for (let v = 0; v < logits.length; v++) total += Math.exp(logits[v] - most);
  const shift = most + Math.log(total);
  return (v) => logits[v] - shift;
}

/** Ids of the k largest, falling; ties: lower id first. */
function largest(logits: Float32Array, k: number): number[] {
  if (k === 0) return [];
  const ids = Array.from(logits.keys());
  return ids.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, k);
}

const f = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** A uniform number of [0, 1) for a seed and a counter: see SampleArgs. */
export function uniform(seedLow: number, seedHigh: number, counter: number): number {
  const a = f((seedLow + Math.imul(0x9e3779b9, counter)) | 0);
  const b = f(a ^ seedHigh);
  const c = f((b + 0x85ebca6b) | 0);
  return (b * 2 ** 21 + (c >>> 11)) / 2 ** 53;
}

function draw(logits: Float32Array, params: Record<(typeof SAMPLE_PARAMS)[number], number>, u: number): number {
  const best = argmax(logits);
  if (params.temperature === 0) return best;
  const weights = new Float64Array(logits.length);
  for (let v = 0; v < logits.length; v++) weights[v] = Math.exp((logits[v] - logits[best]) / params.temperature);
  if (params.minP > 0) keep(weights, (weight) => weight >= params.minP);
  if (params.topK > 0 && params.topK < weights.length) truncate(weights, (order) => order.slice(0, params.topK));
  if (params.topP < 1) {
    truncate(weights, (order) => {
      const total = order.reduce((sum, v) => sum + weights[v], 0);
      let running = 0;
      const end = order.findIndex((v) => (running += weights[v]) >= params.topP * total);
      return end === -1 ? order : order.slice(0, end + 1);
    });
  }
  let total = 0;
  for (const weight of weights) total += weight;
  let running = 0;
  let last = best;
  for (let v = 0; v < weights.length; v++) {
    if (weights[v] === 0) continue;
    last = v;
    running += weights[v];
    if (running > u * total) return v;
  }
  return last;
}

function argmax(logits: Float32Array): number {
  let best = 0;
  for (let v = 1; v < logits.length; v++) if (logits[v] > logits[best]) best = v;
  return best;
}

function keep(weights: Float64Array, wanted: (weight: number) => boolean): void {
  for (let v = 0; v < weights.length; v++) if (!wanted(weights[v])) weights[v] = 0;
}

/** Zeroes the weights that `choose` drops from the order of falling weight (ties: lower id first). */
function truncate(weights: Float64Array, choose: (order: number[]) => number[]): void {
  const order = Array.from(weights.keys()).filter((v) => weights[v] > 0).sort((a, b) => weights[b] - weights[a] || a - b);
  const kept = new Set(choose(order));
  for (let v = 0; v < weights.length; v++) if (!kept.has(v)) weights[v] = 0;
}
