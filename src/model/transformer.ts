/** The forward pass of every supported architecture, over the ops of a backend. Letters as in backend.ts. */
import type { Activation, Backend, KVCache, PackedLinear, StepInputs, Tensor } from '../backend/backend.ts';
import type { ModelConfig } from './config.ts';
import { ropeClass } from './rope.ts';

/** A layer on the device. */
export interface Layer {
  readonly inputNorm: Tensor;
  readonly mlpNorm: Tensor;
  readonly attentionPostNorm: Tensor | null;
  readonly mlpPostNorm: Tensor | null;
  readonly qNorm: Tensor | null;
  readonly kNorm: Tensor | null;
  readonly qkv: PackedLinear;
  readonly output: PackedLinear;
  readonly gateUp: PackedLinear;
  readonly down: PackedLinear;
}

/** The weights on the device. */
export interface Weights {
  readonly embedding: PackedLinear;
  readonly layers: readonly Layer[];
  readonly finalNorm: Tensor;
  readonly head: PackedLinear;
  /** f32 [classes · Model.maxPositions, rotaryDim]. */
  readonly ropeTable: Tensor;
}

export interface StepLimits {
  /** Most tokens of one step. */
  readonly maxStepTokens: number;
  /** Most entries sampled in it. */
  readonly maxStepEntries: number;
}

/** A loaded checkpoint on a device, with its cache. */
export interface Model extends StepLimits {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly cache: KVCache;
  /** Longest request, in tokens: what the checkpoint knows and the cache holds. */
  readonly maxPositions: number;
  readonly weightBytes: number;
  /** Row of the rope table for a position of a request that may grow to `length` tokens (longrope chooses by it). */
  ropeRow(position: number, length: number): number;
  /** Requests whose lengths fall in different classes must not share cached blocks: keys and values differ. */
  ropeClass(length: number): number;
  /** Computes and caches the step's tokens; the residual stream stays on the device. */
  forward(step: StepInputs): void;
  /** Logits f32 [size, V] of the gathered rows (i32 [size]) of the last forward. */
  logits(gather: Tensor, size: number): Tensor;
  close(): void;
}

export class Transformer implements Model {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly cache: KVCache;
  readonly maxPositions: number;
  readonly maxStepTokens: number;
  readonly maxStepEntries: number;
  readonly #weights: Weights;
  readonly #buffers: Buffers;

  /** `maxPositions`: rows of each class in the rope table. */
  constructor(config: ModelConfig, backend: Backend, weights: Weights, cache: KVCache, maxPositions: number, limits: StepLimits) {
    this.config = config;
    this.maxPositions = maxPositions;
    this.backend = backend;
    this.cache = cache;
    this.maxStepTokens = limits.maxStepTokens;
    this.maxStepEntries = limits.maxStepEntries;
    this.#weights = weights;
    this.#buffers = allocateBuffers(config, backend, weights, limits);
  }

  get weightBytes(): number {
    return packedWeights(this.#weights).reduce((sum, weight) => sum + weight.bytes, 0);
  }

  ropeClass(length: number): number {
    return ropeClass(this.config.rope, length);
  }

  ropeRow(position: number, length: number): number {
    return this.ropeClass(length) * this.maxPositions + position;
  }

  forward(step: StepInputs): void {
    const { config, backend, cache } = this;
    const { embedding, layers, ropeTable } = this.#weights;
    const { residual, delta, qkv, gateUp, hidden, attended, gated } = this.#buffers;
    const { numHeads, normEpsilon: epsilon } = config;
    const size = step.size;

    backend.embed({ step, table: embedding, scale: config.embeddingScale, out: residual });
    layers.forEach((layer, index) => {
      const before = index === 0 ? null : layers[index - 1];
      this.#norm(size, before && delta, before?.mlpPostNorm ?? null, layer.inputNorm, null, hidden);
      backend.linear({ size, input: hidden, weight: layer.qkv, out: qkv });
      backend.ropeStore({ step, layer: index, cache, numHeads, qkv, qNorm: layer.qNorm, kNorm: layer.kNorm, epsilon, ropeTable, rotaryDim: config.rope.rotaryDim });
      backend.attend({ step, layer: index, cache, numHeads, qkv, scale: config.attentionScale, window: config.windows[index], softcap: config.attentionSoftcap, out: attended });
      backend.linear({ size, input: attended, weight: layer.output, out: delta });
      this.#norm(size, delta, layer.attentionPostNorm, layer.mlpNorm, null, hidden);
      backend.linear({ size, input: hidden, weight: layer.gateUp, out: gateUp });
      backend.gateQuantize({ size, gateUp, activation: config.activation, out: gated });
      backend.linear({ size, input: gated, weight: layer.down, out: delta });
    });
  }

  logits(gather: Tensor, size: number): Tensor {
    const { delta, final, logits } = this.#buffers;
    const { layers, finalNorm, head } = this.#weights;
    this.#norm(size, delta, layers[layers.length - 1].mlpPostNorm, finalNorm, gather, final);
    this.backend.logits({ size, input: final, weight: head, softcap: this.config.logitSoftcap, out: logits });
    return logits;
  }

  #norm(size: number, delta: Tensor | null, deltaNorm: Tensor | null, weight: Tensor, gather: Tensor | null, out: Activation): void {
    const { hiddenSize: width, normEpsilon: epsilon } = this.config;
    this.backend.normQuantize({ size, width, residual: this.#buffers.residual, delta, deltaNorm, weight, epsilon, gather, out });
  }

  close(): void {
    const { backend } = this;
    for (const buffer of Object.values(this.#buffers)) backend.free(buffer);
    for (const weight of packedWeights(this.#weights)) backend.free(weight);
    for (const tensor of tensors(this.#weights)) backend.free(tensor);
    backend.free(this.cache);
    backend.close();
  }
}

/** What flows through a step, reused by every layer and step. */
interface Buffers {
  readonly [name: string]: Tensor | Activation;
  /** f32 [T, C]. */
  readonly residual: Tensor;
  /** f32 [T, C]: what the last linear adds to the residual stream. */
  readonly delta: Tensor;
  readonly qkv: Tensor;
  readonly gateUp: Tensor;
  readonly logits: Tensor;
  /** Inputs of qkv and gateUp, of output, of down, and of the head. */
  readonly hidden: Activation;
  readonly attended: Activation;
  readonly gated: Activation;
  readonly final: Activation;
}

function allocateBuffers(config: ModelConfig, backend: Backend, weights: Weights, limits: StepLimits): Buffers {
  const T = limits.maxStepTokens;
  const S = limits.maxStepEntries;
  const { hiddenSize: C, intermediateSize: F, headSize: D, numHeads: H, numKVHeads: G, vocabSize: V } = config;
  const input = (weight: PackedLinear, rows: number, width: number): Activation =>
    backend.allocateActivation(weight.kind === 'dense' ? 'float' : 'int8', rows, width);
  const [layer] = weights.layers;
  return {
    residual: backend.allocate('f32', T * C),
    delta: backend.allocate('f32', T * C),
    qkv: backend.allocate('f32', T * (H + 2 * G) * D),
    gateUp: backend.allocate('f32', T * 2 * F),
    logits: backend.allocate('f32', S * V),
    hidden: input(layer.qkv, T, C),
    attended: input(layer.output, T, H * D),
    gated: input(layer.down, T, F),
    final: input(weights.head, S, C),
  };
}

/** Every packed weight once (the head may be the embedding). */
function packedWeights(weights: Weights): PackedLinear[] {
  const layers = weights.layers.flatMap((layer) => [layer.qkv, layer.output, layer.gateUp, layer.down]);
  return [...new Set([weights.embedding, ...layers, weights.head])];
}

function tensors(weights: Weights): Tensor[] {
  const norms = weights.layers.flatMap((layer) => [layer.inputNorm, layer.mlpNorm, layer.attentionPostNorm, layer.mlpPostNorm, layer.qNorm, layer.kNorm]);
  return [weights.finalNorm, weights.ropeTable, ...norms].filter((tensor) => tensor !== null);
}
