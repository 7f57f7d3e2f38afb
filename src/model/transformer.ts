import type { Backend, KVCache, StepInputs, Tensor } from '../backend/backend.ts';
import type { ModelConfig } from './config.ts';

/** A loaded checkpoint on a device, with its cache. */
export interface Model {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly cache: KVCache;
  /** Most tokens of one step, and most entries sampled in it. */
  readonly maxStepTokens: number;
  readonly maxStepEntries: number;
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

export interface LoadOptions {
  /** `auto`: the fastest there is. */
  readonly backend: 'auto' | 'reference' | 'cpu' | 'cuda';
  /** `full`: float activations and cache, from an unquantized checkpoint; `w4a8kv4` needs a quantized one. */
  readonly precision: 'full' | 'w4a8kv4';
  /** 0: one per core. */
  readonly threads: number;
  readonly maxStepTokens: number;
  readonly maxStepEntries: number;
  readonly blockSize: number;
  /** Tokens the cache holds; null: as many as fit in memory, within reason. */
  readonly cacheTokens: number | null;
}
