/** Rotary position embedding: tables of cosines and sines for every kind of scaling that checkpoints ask for. */
import { roundToBf16 } from '../backend/float.ts';
import type { ModelConfig, RopeConfig } from './config.ts';

/**
 * How exactly inverse frequencies are kept. Serving uses f32, as models are trained. PyTorch modules that were cast as a whole
 * (`model.to(torch.bfloat16)`) hold theirs in bf16, and logits recorded from such a module can only be
 * reproduced with the same rounding; the long factors of longrope are made later and escape it.
 */
export type RopePrecision = 'f32' | 'bf16';

/**
 * f32 [classes · maxPositions, rotaryDim]: cosines then sines, scaled by the attention factor. Longrope has two classes of
 * `positions` rows each: short factors, then long ones.
 */
export function ropeTable(config: ModelConfig, positions: number, precision: RopePrecision = 'f32'): Float32Array {
  const { rope } = config;
  const half = rope.rotaryDim / 2;
  const frequencies = FREQUENCIES[rope.type](rope);
  const factor = attentionFactor(rope);
  const table = new Float32Array(frequencies.length * positions * rope.rotaryDim);
  frequencies.forEach((exact, cls) => {
    const inverse = exact.map(precision === 'bf16' && cls === 0 ? roundToBf16 : Math.fround);
    for (let p = 0; p < positions; p++) {
      const at = (cls * positions + p) * rope.rotaryDim;
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(p * inverse[i]);
        table[at + i] = Math.cos(angle) * factor;
        table[at + half + i] = Math.sin(angle) * factor;
      }
    }
  });
  return table;
}

/** The class of a request that may grow to `length` tokens: 1 where longrope takes its long factors. */
export function ropeClass(rope: RopeConfig, length: number): number {
  return rope.type === 'longrope' && length > rope.originalMaxPositions ? 1 : 0;
}

const base = (rope: RopeConfig): number[] => Array.from({ length: rope.rotaryDim / 2 }, (_, i) => rope.theta ** ((-2 * i) / rope.rotaryDim));

/** Inverse frequencies, one list a class. */
const FREQUENCIES: Record<RopeConfig['type'], (rope: RopeConfig) => number[][]> = {
  default: (rope) => [base(rope)],
  linear: (rope) => [base(rope).map((f) => f / rope.factor)],
  llama3: (rope) => [base(rope).map((f) => llama3(rope, f))],
  longrope: (rope) => [rope.shortFactor, rope.longFactor].map((factors) => base(rope).map((f, i) => f / factors[i])),
  yarn: (rope) => [yarn(rope)],
};

/** Llama 3.1: long wavelengths are stretched by `factor`, short ones left, those between interpolated. */
function llama3(rope: RopeConfig, frequency: number): number {
  const wavelength = (2 * Math.PI) / frequency;
  const longest = rope.originalMaxPositions / rope.lowFreqFactor;
  const shortest = rope.originalMaxPositions / rope.highFreqFactor;
  if (wavelength > longest) return frequency / rope.factor;
  if (wavelength < shortest) return frequency;
  const smooth = (rope.originalMaxPositions / wavelength - rope.lowFreqFactor) / (rope.highFreqFactor - rope.lowFreqFactor);
  return ((1 - smooth) * frequency) / rope.factor + smooth * frequency;
}

/** YaRN (arXiv 2309.00071 section 3.2): a ramp over dimensions between interpolated and untouched frequencies. */
function yarn(rope: RopeConfig): number[] {
  const dimension = (rotations: number): number =>
    (rope.rotaryDim * Math.log(rope.originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(rope.theta));
  const low = Math.max(0, Math.floor(dimension(rope.betaFast)));
  const high = Math.min(rope.rotaryDim - 1, Math.ceil(dimension(rope.betaSlow)));
  return base(rope).map((f, i) => {
    const interpolated = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    return (f / rope.factor) * interpolated + f * (1 - interpolated);
  });
}

function attentionFactor(rope: RopeConfig): number {
  if (rope.attentionFactor !== null) return rope.attentionFactor;
  if (rope.factor <= 1) return 1;
  if (rope.type === 'longrope') return Math.sqrt(1 + Math.log(rope.factor) / Math.log(rope.originalMaxPositions));
  if (rope.type === 'yarn') return 0.1 * Math.log(rope.factor) + 1;
  return 1;
}
