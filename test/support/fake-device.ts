/**
 * The smallest device that keeps the contract: one number per cache slot, a hash of everything its token attends to through
 * the block table. The next token is drawn from it, so any error of bookkeeping changes the text.
 * Nothing runs before the fence that a read waits for, so that what is enqueued may not rely on running at once.
 */
import {
  SAMPLE_ENTRY,
  SAMPLE_PARAMS,
  SAMPLE_RESULT,
  type Backend,
  type DType,
  type HostArray,
  type SampleArgs,
  type StepInputs,
  type Tensor,
} from '../../src/backend/backend.ts';
import type { GenerateRequest } from '../../src/engine/client.ts';
import type { EngineOutput } from '../../src/engine/engine.ts';
import type { Matcher } from '../../src/engine/request.ts';
import { decodeResult, FORCED_SCORES, type OutputToken } from '../../src/engine/sampling.ts';
import type { Model } from '../../src/model/transformer.ts';

export interface FakeShape {
  readonly vocabSize: number;
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly maxStepTokens: number;
  readonly maxStepEntries: number;
}

/** Requests that may grow beyond this use other rope rows, as with longrope. */
export const LONG = 40;
export const ropeRow = (position: number, length: number): number => (length > LONG ? 1000 + position : position);
export const ropeClass = (length: number): number => (length > LONG ? 1 : 0);

const mix = (a: number, b: number): number => {
  let h = Math.imul(a ^ Math.imul(b + 1, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
};
const unit = (h: number): number => (h >>> 8) / 2 ** 24;

/** A slot's number, from those before it. */
const slotOf = (before: Iterable<number>, token: number, rope: number): number => {
  let h = 17;
  for (const slot of before) h = mix(h, slot);
  return mix(mix(h, token), rope);
};

const fillLogits = (slot: number, logits: Float32Array): void => logits.forEach((_, v) => (logits[v] = 8 * unit(mix(slot, v))));

interface Draw {
  readonly logits: Float32Array;
  /** Known tokens of the request. */
  readonly tokens: ArrayLike<number>;
  readonly entry: Record<(typeof SAMPLE_ENTRY)[number], number>;
  readonly params: Record<(typeof SAMPLE_PARAMS)[number], number>;
  readonly biases: readonly (readonly [number, number])[];
  readonly mask: Int32Array | null;
}

/** A row of `SampleArgs.result`. Like the real sampler, it reads everything of the entry and the request's tokens. */
function draw({ logits, tokens, entry, params, biases, mask }: Draw, result: Float32Array): void {
  const scores = Float64Array.from(logits);
  for (const [token, bias] of biases) scores[token] += bias;
  for (let i = 0; i < tokens.length; i++) {
    scores[tokens[i]] -= params.repetitionPenalty - 1;
    if (i >= entry.promptLength) scores[tokens[i]] -= params.frequencyPenalty + params.presencePenalty / tokens.length;
  }
  const isLegal = (v: number): boolean => mask === null || ((mask[v >> 5] >> (v & 31)) & 1) === 1;
  const noise = mix(mix(entry.seedLow, entry.seedHigh), entry.position + 1);
  let best = -1;
  let numLegal = 0;
  for (let v = 0; v < logits.length; v++) {
    if (!isLegal(v)) continue;
    numLegal++;
    scores[v] += params.temperature * 20 * unit(mix(noise, v)) + params.topK + params.topP + params.minP;
    if (best < 0 || scores[v] > scores[best]) best = v;
  }
  result.fill(-1);
  result.set([best, logits[best], numLegal / logits.length]);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  order.slice(0, entry.topLogprobs).forEach((v, i) => result.set([v, logits[v]], 3 + 2 * i));
}

const record = <K extends string>(names: readonly K[], values: ArrayLike<number>, index: number): Record<K, number> =>
  Object.fromEntries(names.map((name, i) => [name, values[index * names.length + i]])) as Record<K, number>;

const ints = (tensor: Tensor): Int32Array => tensor.data as Int32Array;
const floats = (tensor: Tensor): Float32Array => tensor.data as Float32Array;

export function fakeModel(shape: FakeShape): Model {
  const { vocabSize, numBlocks, blockSize, maxStepTokens, maxStepEntries } = shape;
  const queue: (() => void)[] = [];
  let numEnqueued = 0;
  const enqueue = (operation: () => void): void => {
    queue.push(operation);
    numEnqueued++;
  };
  const slots = new Int32Array(numBlocks * blockSize).fill(0xbad);
  const residual = new Int32Array(maxStepTokens);
  const logits: Tensor = { dtype: 'f32', length: maxStepEntries * vocabSize, data: new Float32Array(maxStepEntries * vocabSize) };
  const inRange = (what: string, value: number, end: number): number => {
    if (!(value >= 0 && value < end)) throw new Error(`${what} ${value} is not in 0..${end - 1}`);
    return value;
  };

  const slotIndex = (step: StepInputs, row: number, position: number): number => {
    const column = inRange('block column', Math.floor(position / blockSize), step.blocksPerRow);
    const block = inRange('block', ints(step.blockTables)[row * step.blocksPerRow + column], numBlocks);
    return block * blockSize + (position % blockSize);
  };
  const forward = (step: StepInputs): void => {
    for (let i = 0; i < step.size; i++) {
      const row = ints(step.row)[i];
      const position = inRange('position', ints(step.position)[i], step.tokensPerRow);
      const token = inRange('token', ints(step.tokens)[row * step.tokensPerRow + position], vocabSize);
      const before = Array.from({ length: position }, (_, p) => slots[slotIndex(step, row, p)]);
      residual[i] = slots[slotIndex(step, row, position)] = slotOf(before, token, ints(step.ropeRow)[i]);
    }
  };
  const sample = (args: SampleArgs): void => {
    const words = Math.ceil(vocabSize / 32);
    for (let i = 0; i < args.size; i++) {
      const entry = record(SAMPLE_ENTRY, ints(args.entries), i);
      const start = inRange('row', entry.row, maxStepEntries) * args.step.tokensPerRow;
      const tokens = ints(args.step.tokens).subarray(start, start + entry.position + 1);
      const biases = Array.from({ length: entry.biasCount }, (_, k): [number, number] => {
        return [ints(args.biasIds)[entry.biasStart + k], floats(args.biasValues)[entry.biasStart + k]];
      });
      const mask = entry.mask < 0 ? null : ints(args.masks).subarray(entry.mask * words, (entry.mask + 1) * words);
      const params = record(SAMPLE_PARAMS, floats(args.params), i);
      const row = floats(args.logits).subarray(i * vocabSize, (i + 1) * vocabSize);
      const result = floats(args.result).subarray(i * SAMPLE_RESULT, (i + 1) * SAMPLE_RESULT);
      draw({ logits: row, tokens, entry, params, biases, mask }, result);
      ints(args.step.tokens)[start + inRange('position', entry.position + 1, args.step.tokensPerRow)] = result[0];
    }
  };

  const backend: Pick<Backend, 'allocate' | 'write' | 'fence' | 'read' | 'sample'> = {
    allocate(dtype: DType, length: number): Tensor {
      return { dtype, length, data: dtype === 'f32' ? new Float32Array(length) : new Int32Array(length).fill(-7) };
    },
    write(target: Tensor, source: HostArray, offset = 0): void {
      inRange('end of write', offset + source.length, target.length + 1);
      const copy = source.slice();
      enqueue(() => ints(target).set(copy, offset));
    },
    fence: () => numEnqueued,
    read(source: Tensor, target: HostArray, offset = 0, fence = numEnqueued): void {
      while (numEnqueued - queue.length < fence) queue.shift()!();
      target.set(floats(source).subarray(offset, offset + target.length));
    },
    sample: (args) => enqueue(() => sample(args)),
  };

  return {
    config: { vocabSize },
    backend,
    cache: { numBlocks, blockSize },
    maxStepTokens,
    maxStepEntries,
    ropeRow,
    ropeClass,
    forward: (step: StepInputs) => enqueue(() => forward(step)),
    logits(gather: Tensor, size: number): Tensor {
      enqueue(() => {
        for (let i = 0; i < size; i++) {
          const slot = residual[inRange('gathered row', ints(gather)[i], maxStepTokens)];
          fillLogits(slot, floats(logits).subarray(i * vocabSize, (i + 1) * vocabSize));
        }
      });
      return logits;
    },
  } as unknown as Model; // the engine asks no more of a model
}

export interface Generated {
  readonly outputs: readonly OutputToken[];
  readonly finishReason: string | null;
}

export interface OracleLimits {
  readonly vocabSize: number;
  readonly maxModelLength: number;
  readonly eosTokenIds: readonly number[];
}

/** One request, token after token, with no cache, no batch and no steps. */
export function generateAlone(request: GenerateRequest, limits: OracleLimits, matcher: Matcher | null = null): Generated {
  const { sampling } = request;
  const tokens = Array.from(request.prompt);
  const limit = Math.min(tokens.length + sampling.maxTokens, limits.maxModelLength);
  const outputs: OutputToken[] = [];
  const slots: number[] = [];
  const logits = new Float32Array(limits.vocabSize);
  const mask = matcher === null ? null : new Int32Array(Math.ceil(limits.vocabSize / 32));
  const result = new Float32Array(SAMPLE_RESULT);
  let finishReason: string | null = null;
  const isFinished = (): boolean => finishReason !== null;
  const scored = sampling.logprobs !== null;
  const append = ({ token, forced, ...scores }: OutputToken): void => {
    tokens.push(token);
    outputs.push({ token, forced, ...scores, ...(scored ? {} : { logprob: NaN, top: [] }) });
    const isEos = (matcher !== null || !sampling.ignoreEos) && limits.eosTokenIds.includes(token);
    if (sampling.stopTokenIds.includes(token) || isEos) finishReason = 'stop';
    else if (matcher !== null && !matcher.accept(token)) finishReason = 'abort';
    else if (tokens.length === limit) finishReason = 'length';
  };
  const force = (): void => {
    if (isFinished()) return;
    for (const token of matcher?.forcedTokens() ?? []) {
      if (!isFinished()) append(scored ? sample(token) : { token, forced: true, ...FORCED_SCORES });
    }
  };
  /** Any token the matcher allows, or the forced one. */
  const sample = (forced: number | null): OutputToken => {
    for (let p = slots.length; p < tokens.length; p++) slots.push(slotOf(slots, tokens[p], ropeRow(p, limit)));
    fillLogits(slots[slots.length - 1], logits);
    if (mask !== null) matcher!.fillMask(mask);
    if (forced !== null) mask!.fill(0)[forced >> 5] = 1 << (forced & 31);
    const entry = {
      row: 0,
      position: tokens.length - 1,
      promptLength: request.prompt.length,
      seedLow: sampling.seed | 0,
      seedHigh: Math.floor(sampling.seed / 2 ** 32) | 0,
      mask: 0,
      biasStart: 0,
      biasCount: 0,
      topLogprobs: sampling.logprobs ?? 0,
    };
    const params = record(SAMPLE_PARAMS, Float32Array.from(SAMPLE_PARAMS, (name) => sampling[name]), 0);
    const biases = sampling.logitBias.map(([token, bias]) => [token, Math.fround(bias)] as const);
    draw({ logits, tokens, entry, params, biases, mask }, result);
    return { ...decodeResult(result, 0, sampling.logprobs ?? 0), forced: forced !== null };
  };
  force();
  while (!isFinished()) {
    append(sample(null));
    force();
  }
  return { outputs, finishReason };
}

/** Joins a request's events into one, in the oracle's form. */
export function joinOutputs(events: readonly EngineOutput[]): Generated {
  const outputs = events.flatMap((event) =>
    event.tokens.map((token, i) => {
      const scores = event.logprobs?.[i] ?? { logprob: NaN, top: [] };
      return { token, forced: event.forced[i], legalMass: event.legalMass[i], ...scores };
    }),
  );
  return { outputs, finishReason: events[events.length - 1]?.finishReason ?? null };
}

/** A generator of reproducible integers below `end`. */
export function randomSource(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = mix(state, 12345) + 0x6d2b79f5;
    return Math.floor(unit(mix(state, 7)) * end);
  };
}

/** Allows a third of the vocabulary, which third depends on what was said; now and then forces some tokens. */
export class RollingMatcher implements Matcher {
  readonly error = null;
  private readonly vocabSize: number;
  /** Before each token and after the last. */
  private readonly states: number[];
  constructor(vocabSize: number, start: number) {
    this.vocabSize = vocabSize;
    this.states = [start];
  }
  private get state(): number {
    return this.states[this.states.length - 1];
  }
  private allows(token: number): boolean {
    return (token + this.state) % 3 === 0;
  }
  fillMask(mask: Int32Array): void {
    mask.fill(0);
    for (let v = 0; v < this.vocabSize; v++) if (this.allows(v)) mask[v >> 5] |= 1 << (v & 31);
  }
  accept(token: number): boolean {
    if (!this.allows(token)) return false;
    this.states.push((this.state * 31 + token) % 1009);
    return true;
  }
  rollback(count: number): void {
    this.states.length -= count;
  }
  get isForced(): boolean {
    return this.forcedTokens().length > 0;
  }
  forcedTokens(): number[] {
    const forced: number[] = [];
    const ahead = new RollingMatcher(this.vocabSize, this.state);
    while (ahead.state % 4 === 0 && forced.length < 6) {
      const token = (3 - (ahead.state % 3)) % 3; // the lowest that is allowed
      if (!ahead.accept(token)) break;
      forced.push(token);
    }
    return forced;
  }
}
