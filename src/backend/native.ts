/**
 * The kernels behind the backend contract: a shared library with the ABI of kernels/kernels.h, over koffi.
 * Ops become words of a program; a program is submitted when a fence asks for it or when enough ops wait, so that the kernels run while
 * the rest of the step is being enqueued.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { BYTES, BackendError, GROUP, SAMPLE_RESULT, groupsOf } from './backend.ts';
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
  WeightRows,
  WeightSource,
} from './backend.ts';
import { bytesToFloat32 } from './float.ts';

const ABI = 2;
const DTYPES: Record<DType, number> = { f32: 0, f16: 1, bf16: 2, i32: 3, i8: 4, u8: 5 };
const OP = { copy: 0, embed: 1, normQuantize: 2, linear: 3, ropeStore: 4, attend: 5, gateQuantize: 6, logits: 7, sample: 8 } as const;

/** Words after which a waiting program is submitted: about two layers. */
const SUBMIT_WORDS = 384;
const PROGRAM_WORDS = 1024;
const COPY_WORDS = 5;
const STAGING_BYTES = 1 << 18;
/** Programs that may be under way before enqueueing waits for the oldest. */
const MAX_PROGRAMS = 64;
/** Bytes of a weight that are read from the checkpoint at a time. */
const PIECE_BYTES = 8 << 20;

export interface NativeOptions {
  readonly name: 'cpu' | 'cuda';
  /** Path of the shared library. */
  readonly library: string;
  /** 0: the cores this process may use. */
  readonly threads?: number;
  /** Instruction set to use, as `describe().paths` lists them; empty: the best. */
  readonly path?: string;
}

export interface NativeDescription {
  readonly path: string;
  readonly threads: number;
  readonly paths: readonly string[];
  readonly processor: string;
}

/** Where the build puts the library of a device, whether this file runs from src/ or dist/src/; null: not built. */
export function findLibrary(name: 'cpu' | 'cuda'): string | null {
  const extension = { darwin: 'dylib', win32: 'dll' }[process.platform as string] ?? 'so';
  const here = dirname(fileURLToPath(import.meta.url));
  for (const root of [join(here, '..', '..'), join(here, '..', '..', '..')]) {
    const path = join(root, 'build', `libtetrad-${name}.${extension}`);
    if (existsSync(path)) return path;
  }
  return null;
}

/** Words and staged bytes of one submission, in memory of the kernels. */
interface Program {
  readonly words: Float64Array;
  readonly address: number;
  readonly staging: Uint8Array;
  readonly stagingAddress: number;
  count: number;
  staged: number;
  ticket: number;
}

type Call = (...args: unknown[]) => number;

const SIGNATURES = {
  tt_open: 'int tt_open(int, const char *, void *)',
  tt_close: 'int tt_close(uintptr_t)',
  tt_error: 'int tt_error(uintptr_t, void *, int)',
  tt_describe: 'int tt_describe(uintptr_t, void *, int)',
  tt_ceilings: 'int tt_ceilings(uintptr_t, void *, void *)',
  tt_available: 'int tt_available(uintptr_t, void *)',
  tt_allocate: 'int tt_allocate(uintptr_t, double, void *)',
  tt_free: 'int tt_free(uintptr_t, uintptr_t)',
  tt_weight_create: 'int tt_weight_create(uintptr_t, int, int, int, int, void *, void *)',
  tt_weight_dense_rows: 'int tt_weight_dense_rows(uintptr_t, uintptr_t, int, int, void *)',
  tt_weight_w4_rows: 'int tt_weight_w4_rows(uintptr_t, uintptr_t, int, int, void *, void *, void *, void *)',
  tt_weight_w8_rows: 'int tt_weight_w8_rows(uintptr_t, uintptr_t, int, int, void *, void *)',
  tt_weight_bytes: 'int tt_weight_bytes(uintptr_t, uintptr_t, void *)',
  tt_weight_free: 'int tt_weight_free(uintptr_t, uintptr_t)',
  tt_cache_create: 'int tt_cache_create(uintptr_t, int, int, int, int, int, int, void *)',
  tt_cache_bytes: 'int tt_cache_bytes(uintptr_t, uintptr_t, void *)',
  tt_cache_free: 'int tt_cache_free(uintptr_t, uintptr_t)',
  tt_submit: 'int tt_submit(uintptr_t, uintptr_t, double, void *)',
  tt_wait: 'int tt_wait(uintptr_t, double)',
  tt_read: 'int tt_read(uintptr_t, void *, uintptr_t, double)',
} as const;

type Library = Record<keyof typeof SIGNATURES, Call>;

const libraries = new Map<string, Library>();

function loadLibrary(path: string): Library {
  const known = libraries.get(path);
  if (known) return known;
  const handle = koffi.load(path);
  const abi = (handle.func('int tt_abi()') as Call)();
  if (abi !== ABI) throw new BackendError(`${path} has ABI ${abi}; this version needs ${ABI}: build it again`);
  const library = Object.fromEntries(Object.entries(SIGNATURES).map(([name, signature]) => [name, handle.func(signature)])) as unknown as Library;
  libraries.set(path, library);
  return library;
}

export class NativeBackend implements Backend {
  readonly name: 'cpu' | 'cuda';
  readonly description: string;
  private readonly library: Library;
  private context: number;
  private readonly pointerOut = new BigUint64Array(1);
  private readonly doubleOut = new Float64Array(1);
  private readonly idle: Program[] = [];
  private readonly running: Program[] = [];
  private current: Program;
  private submitted = 0;
  private finished = 0;

  constructor(options: NativeOptions) {
    this.name = options.name;
    this.library = loadLibrary(options.library);
    this.context = 0;
    const threads = options.threads ?? 0;
    this.check(this.library.tt_open(threads, options.path ?? '', this.pointerOut), `open the ${options.name} kernels`);
    this.context = Number(this.pointerOut[0]);
    const { path, threads: count, processor } = this.describe();
    this.description = `${processor}, ${path}, ${count} ${count === 1 ? 'thread' : 'threads'}`;
    this.current = this.createProgram();
  }

  describe(): NativeDescription {
    const text = Buffer.alloc(4096);
    this.check(this.library.tt_describe(this.context, text, text.length), 'describe');
    return JSON.parse(text.toString('utf8', 0, text.indexOf(0))) as NativeDescription;
  }

  /** What the device can do at most: bytes read and int8 operations a second. */
  ceilings(): { readBytes: number; int8Operations: number } {
    const operations = new Float64Array(1);
    this.check(this.library.tt_ceilings(this.context, this.doubleOut, operations), 'ceilings');
    return { readBytes: this.doubleOut[0], int8Operations: operations[0] };
  }

  availableBytes(): number {
    this.check(this.library.tt_available(this.context, this.doubleOut), 'availableBytes');
    return this.doubleOut[0];
  }

  allocate(dtype: DType, length: number): Tensor {
    return { dtype, length, data: this.allocateBytes(length * BYTES[dtype], `allocate ${dtype} [${length}]`) };
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
    const { precision, numLayers, numBlocks, blockSize, numKVHeads, headSize } = shape;
    const what = `allocateCache ${precision}, ${numLayers} layers, ${numBlocks} blocks of ${blockSize}, ${numKVHeads} heads of ${headSize}`;
    const { library } = this;
    this.check(library.tt_cache_create(this.context, precision === 'kv4' ? 0 : 1, numLayers, numBlocks, blockSize, numKVHeads, headSize, this.pointerOut), what);
    const data = Number(this.pointerOut[0]);
    this.check(library.tt_cache_bytes(this.context, data, this.doubleOut), what);
    return { precision, numLayers, numBlocks, blockSize, numKVHeads, headSize, bytes: this.doubleOut[0], data };
  }

  /** The bias goes into the weight: `bias` of the result is null. */
  packLinear(parts: readonly WeightSource[], bias: Float32Array | null): PackedLinear {
    const [{ kind, groupSize, inFeatures, name }] = parts;
    const outFeatures = parts.reduce((sum, part) => sum + part.outFeatures, 0);
    for (const part of parts) {
      if (part.inFeatures !== inFeatures || part.kind !== kind || part.groupSize !== groupSize) {
        throw new BackendError(
          `packLinear: ${part.name} (${part.kind}, ${part.inFeatures} inputs, group ${part.groupSize}) cannot follow ${name} (${kind}, ${inFeatures}, ${groupSize})`,
        );
      }
    }
    const what = `packLinear ${name} ${kind} [${outFeatures}, ${inFeatures}]`;
    if (bias !== null && bias.length !== outFeatures) throw new BackendError(`${what}: the bias has ${bias.length} values`);
    const dtype = kind === 'w4' ? 'u8' : kind === 'w8' ? 'i8' : commonDType(parts);
    const { library } = this;
    this.check(library.tt_weight_create(this.context, DTYPES[dtype], groupSize, outFeatures, inFeatures, bias, this.pointerOut), what);
    const data = Number(this.pointerOut[0]);
    try {
      let at = 0;
      for (const part of parts) {
        const step = Math.max(16, Math.floor(PIECE_BYTES / (inFeatures * (kind === 'w4' ? 0.5 : BYTES[dtype]))));
        for (let start = 0; start < part.outFeatures; start += step) {
          const end = Math.min(part.outFeatures, start + step);
          this.check(this.fillRows(data, dtype, at + start, end - start, part.rows(start, end)), `${what}: ${part.name}`);
        }
        at += part.outFeatures;
      }
    } catch (error) {
      library.tt_weight_free(this.context, data);
      throw error;
    }
    this.check(library.tt_weight_bytes(this.context, data, this.doubleOut), what);
    return { kind, outFeatures, inFeatures, bytes: this.doubleOut[0], bias: null, data };
  }

  private fillRows(weight: number, dtype: DType, start: number, count: number, rows: WeightRows): number {
    const { library, context } = this;
    if (rows.kind === 'w4') return library.tt_weight_w4_rows(context, weight, start, count, rows.q, rows.s1, rows.m, rows.s0);
    if (rows.kind === 'w8') return library.tt_weight_w8_rows(context, weight, start, count, rows.q, rows.s0);
    const values = rows.dtype === dtype ? rows.values : bytesToFloat32(rows.dtype, rows.values);
    return library.tt_weight_dense_rows(context, weight, start, count, values);
  }

  free(resource: Tensor | Activation | PackedLinear | KVCache): void {
    this.submit();
    const { library, context } = this;
    if ('dtype' in resource) {
      this.check(library.tt_free(context, resource.data), `free ${resource.dtype} [${resource.length}]`);
    } else if ('values' in resource) {
      this.free(resource.values);
      if (resource.kind === 'int8') {
        this.free(resource.scale);
        this.free(resource.sums);
      }
    } else if ('outFeatures' in resource) {
      this.check(library.tt_weight_free(context, resource.data), `free linear [${resource.outFeatures}, ${resource.inFeatures}]`);
    } else {
      this.check(library.tt_cache_free(context, resource.data), `free cache of ${resource.numBlocks} blocks`);
    }
  }

  write(target: Tensor, source: HostArray, offset = 0): void {
    const width = BYTES[target.dtype];
    if (source.BYTES_PER_ELEMENT !== width || offset < 0 || offset + source.length > target.length) {
      throw new BackendError(
        `write: ${source.length} elements of ${source.BYTES_PER_ELEMENT} bytes at ${offset} do not fit ${target.dtype} [${target.length}]`,
      );
    }
    const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    for (let done = 0; done < bytes.length; ) {
      if (this.current.staged === STAGING_BYTES) this.submit();
      const program = this.programWithRoom(COPY_WORDS);
      const size = Math.min(bytes.length - done, STAGING_BYTES - program.staged);
      program.staging.set(bytes.subarray(done, done + size), program.staged);
      this.op(OP.copy, [(target.data as number) + offset * width + done, program.stagingAddress + program.staged, size]);
      program.staged += Math.ceil(size / 64) * 64;
      done += size;
    }
  }

  fence(): Fence {
    this.submit();
    return this.submitted;
  }

  read(source: Tensor, target: HostArray, offset = 0, fence: Fence = this.fence()): void {
    const width = BYTES[source.dtype];
    const what = `read ${target.length} elements at ${offset} of ${source.dtype} [${source.length}]`;
    if (target.BYTES_PER_ELEMENT !== width) throw new BackendError(`${what}: the target's elements have ${target.BYTES_PER_ELEMENT} bytes`);
    this.wait(fence);
    this.check(this.library.tt_read(this.context, target, (source.data as number) + offset * width, target.byteLength), what);
  }

  embed({ step, table, scale, out }: EmbedArgs): void {
    this.op(OP.embed, [...stepWords(step), table.data as number, scale, address(out)]);
  }

  normQuantize({ size, width, residual, delta, deltaNorm, weight, epsilon, gather, out }: NormQuantizeArgs): void {
    this.op(OP.normQuantize, [
      size, width, address(residual), address(delta), address(deltaNorm), address(weight), epsilon, address(gather), ...activationWords(out),
    ]);
  }

  linear({ size, input, weight, out }: LinearArgs): void {
    this.op(OP.linear, [size, ...activationWords(input), weight.data as number, address(out)]);
  }

  ropeStore({ step, layer, cache, numHeads, qkv, qNorm, kNorm, epsilon, ropeTable, rotaryDim }: RopeStoreArgs): void {
    this.op(OP.ropeStore, [
      ...stepWords(step), layer, cache.data as number, numHeads, address(qkv), address(qNorm), address(kNorm), epsilon, address(ropeTable), rotaryDim,
    ]);
  }

  attend({ step, layer, cache, numHeads, qkv, scale, window, softcap, out }: AttendArgs): void {
    this.op(OP.attend, [...stepWords(step), layer, cache.data as number, numHeads, address(qkv), scale, window, softcap, ...activationWords(out)]);
  }

  gateQuantize({ size, gateUp, activation, out }: GateQuantizeArgs): void {
    this.op(OP.gateQuantize, [size, address(gateUp), activation === 'silu' ? 0 : 1, ...activationWords(out)]);
  }

  logits({ size, input, weight, softcap, out }: LogitsArgs): void {
    this.op(OP.logits, [size, ...activationWords(input), weight.data as number, softcap, address(out)]);
  }

  sample({ size, vocabSize, logits, step, entries, params, masks, biasIds, biasValues, result }: SampleArgs): void {
    if (result.length < size * SAMPLE_RESULT) throw new BackendError(`sample: result has ${result.length} values for ${size} entries`);
    this.op(OP.sample, [
      size, vocabSize, address(logits), ...stepWords(step), address(entries), address(params), address(masks), address(biasIds), address(biasValues), address(result),
    ]);
  }

  close(): void {
    if (this.context === 0) return;
    const { context } = this;
    this.context = 0;
    this.library.tt_close(context);
  }

  private allocateBytes(bytes: number, what: string): number {
    this.check(this.library.tt_allocate(this.context, bytes, this.pointerOut), what);
    return Number(this.pointerOut[0]);
  }

  private createProgram(): Program {
    const at = this.allocateBytes(PROGRAM_WORDS * 8 + STAGING_BYTES, 'program');
    const memory = koffi.view(BigInt(at), PROGRAM_WORDS * 8 + STAGING_BYTES);
    return {
      words: new Float64Array(memory, 0, PROGRAM_WORDS),
      address: at,
      staging: new Uint8Array(memory, PROGRAM_WORDS * 8),
      stagingAddress: at + PROGRAM_WORDS * 8,
      count: 0,
      staged: 0,
      ticket: 0,
    };
  }

  private op(code: number, args: readonly number[]): void {
    const program = this.programWithRoom(args.length + 2);
    program.words[program.count] = code;
    program.words[program.count + 1] = args.length;
    program.words.set(args, program.count + 2);
    program.count += args.length + 2;
    if (program.count >= SUBMIT_WORDS && code !== OP.copy) this.submit();
  }

  private programWithRoom(words: number): Program {
    if (this.context === 0) throw new BackendError('the backend is closed');
    if (this.current.count + words > PROGRAM_WORDS) this.submit();
    return this.current;
  }

  /** Hands what waits to the kernels and turns to a program that nobody uses. */
  private submit(): void {
    const program = this.current;
    if (program.count === 0) return;
    const { count } = program;
    program.count = 0;
    program.staged = 0;
    this.check(this.library.tt_submit(this.context, program.address, count, this.doubleOut), 'submit');
    this.submitted = program.ticket = this.doubleOut[0];
    this.running.push(program);
    if (this.running.length >= MAX_PROGRAMS) this.wait(this.running[0].ticket);
    this.current = this.idle.pop() ?? this.createProgram();
  }

  private wait(ticket: number): void {
    if (ticket <= this.finished) return;
    const status = this.library.tt_wait(this.context, ticket);
    this.finished = ticket;
    while (this.running.length > 0 && this.running[0].ticket <= ticket) this.idle.push(this.running.shift()!);
    this.check(status, 'run');
  }

  private check(status: number, what: string): void {
    if (status === 0) return;
    const text = Buffer.alloc(1024);
    this.library.tt_error(this.context, text, text.length);
    throw new BackendError(`${what}: ${text.toString('utf8', 0, text.indexOf(0))}`);
  }
}

const address = (tensor: Tensor | null): number => (tensor === null ? 0 : (tensor.data as number));

function stepWords(step: StepInputs): number[] {
  return [
    step.size, address(step.row), address(step.position), address(step.ropeRow), address(step.tokens), step.tokensPerRow, address(step.blockTables), step.blocksPerRow,
  ];
}

function activationWords(activation: Activation): number[] {
  if (activation.kind === 'float') return [0, activation.width, address(activation.values), 0, 0];
  return [1, activation.width, address(activation.values), address(activation.scale), address(activation.sums)];
}

/** The type that all parts of a dense weight have, or float32. */
function commonDType(parts: readonly WeightSource[]): 'f32' | 'f16' | 'bf16' {
  const types = new Set(
    parts.map((part) => {
      const rows = part.rows(0, 1);
      return rows.kind === 'dense' ? rows.dtype : 'f32';
    }),
  );
  const [only] = types;
  return types.size === 1 ? only : 'f32';
}
