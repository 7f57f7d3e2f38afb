/** Half-precision numbers in JavaScript. */

/** Every fp16 value as a float32. */
export const HALF_TO_FLOAT: Float32Array = (() => {
  const table = new Float32Array(65536);
  for (let i = 0; i < 65536; i++) {
    const sign = i & 0x8000 ? -1 : 1;
    const exponent = (i >> 10) & 31;
    const mantissa = i & 1023;
    if (exponent === 0) table[i] = sign * mantissa * 2 ** -24;
    else if (exponent === 31) table[i] = mantissa ? NaN : sign * Infinity;
    else table[i] = sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  }
  return table;
})();

const LARGEST_HALF = 65504;
const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** fp16 bits, rounded to nearest even; what is too large becomes the largest finite half. */
export function floatToHalf(x: number): number {
  scratch[0] = Math.min(LARGEST_HALF, Math.max(-LARGEST_HALF, x));
  const word = bits[0];
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 255) - 127;
  if (exponent < -25) return sign;
  const normal = exponent >= -14;
  const mantissa = (word & 0x7fffff) | 0x800000;
  const drop = normal ? 13 : 13 + (-14 - exponent);
  const kept = mantissa >>> drop;
  const rest = mantissa & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  const rounded = kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
  return sign | (normal ? rounded + ((exponent + 14) << 10) : rounded);
}

/** Little-endian f32, f16 or bf16 values as float32; f32 without a copy where it is aligned. */
export function bytesToFloat32(dtype: 'f32' | 'f16' | 'bf16', bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (dtype === 'f32') return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const out = new Float32Array(halves.length);
  if (dtype === 'bf16') {
    const words = new Uint32Array(out.buffer);
    for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  } else {
    for (let i = 0; i < halves.length; i++) out[i] = HALF_TO_FLOAT[halves[i]];
  }
  return out;
}

/** The nearest bf16 value, ties to even. */
export function roundToBf16(x: number): number {
  scratch[0] = x;
  const word = bits[0];
  bits[0] = ((word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000) >>> 0;
  return scratch[0];
}
