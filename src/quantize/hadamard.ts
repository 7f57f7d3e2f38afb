/**
 * Hadamard matrices of the sizes models have. A size n = K · 2^p is kron(H_K, H_2^p): H_2^p is Sylvester's and needs only
 * additions, H_K is Paley's, of order K = q + 1 (q ≡ 3 mod 4) or 2(q + 1) (q ≡ 1 mod 4) for a prime power q.
 */
export interface Hadamard {
  readonly size: number;
  /** K, the order of the dense factor; 1 for powers of two. */
  readonly order: number;
  /** ±1 [K, K]. */
  readonly factor: Int8Array;
}

/** The Hadamard matrix of a size, or null where none is known to this construction. */
export function hadamard(size: number): Hadamard | null {
  if (!Number.isInteger(size) || size < 1) return null;
  let odd = size;
  while (odd % 2 === 0) odd /= 2;
  if (odd === 1) return { size, order: 1, factor: Int8Array.of(1) };
  for (let order = 4 * odd; order <= size && size % order === 0; order *= 2) {
    const factor = paley(order);
    if (factor !== null) return { size, order, factor };
  }
  return null;
}

/**
 * x ← Rᵀ·x along the first axis of x [size, inner], where R = H / √size. As R·Rᵀ = I this moves vectors into the rotated
 * basis; rows of a weight that reads them move the same way.
 */
export function rotateInPlace(h: Hadamard, x: Float64Array, inner: number, scratch: Float64Array): void {
  const { size, order, factor } = h;
  const total = size * inner;
  const span = total / order;
  for (let half = inner; half < span; half *= 2) {
    for (let base = 0; base < total; base += 2 * half) {
      for (let i = base, j = base + half; i < base + half; i++, j++) {
        const a = x[i];
        const b = x[j];
        x[i] = a + b;
        x[j] = a - b;
      }
    }
  }
  const scale = 1 / Math.sqrt(size);
  if (order === 1) {
    for (let i = 0; i < total; i++) x[i] *= scale;
    return;
  }
  scratch.fill(0, 0, total);
  for (let from = 0; from < order; from++) {
    for (let to = 0; to < order; to++) {
      const sign = factor[from * order + to] * scale;
      for (let i = from * span, j = to * span; i < (from + 1) * span; i++, j++) scratch[j] += sign * x[i];
    }
  }
  x.set(scratch.subarray(0, total));
}

/** Paley's matrix of an order, by construction I where it applies, else II; null where neither does. */
function paley(order: number): Int8Array | null {
  if ((order - 1) % 4 === 3) {
    const q = order - 1;
    const character = quadraticCharacter(q);
    if (character !== null) return paleyOne(q, character);
  }
  const q = order / 2 - 1;
  if (q % 4 === 1) {
    const character = quadraticCharacter(q);
    if (character !== null) return paleyTwo(q, character);
  }
  return null;
}

/** χ(i − j) for the elements of GF(q): [q, q], 0 on the diagonal. */
type CharacterTable = Int8Array;

/** I + S, where S = [[0, 1], [−1ᵀ, Q]] is skew. */
function paleyOne(q: number, character: CharacterTable): Int8Array {
  const n = q + 1;
  const h = new Int8Array(n * n);
  for (let j = 0; j < n; j++) h[j] = 1;
  for (let i = 1; i < n; i++) {
    h[i * n] = -1;
    for (let j = 1; j < n; j++) h[i * n + j] = i === j ? 1 : character[(i - 1) * q + j - 1];
  }
  return h;
}

/** The symmetric C = [[0, 1], [1ᵀ, Q]] with ±1 → ±[[1, 1], [1, −1]] and 0 → [[1, −1], [−1, −1]]. */
function paleyTwo(q: number, character: CharacterTable): Int8Array {
  const n = 2 * (q + 1);
  const h = new Int8Array(n * n);
  for (let i = 0; i <= q; i++) {
    for (let j = 0; j <= q; j++) {
      const c = i === j ? 0 : i === 0 || j === 0 ? 1 : character[(i - 1) * q + j - 1];
      const corner = 2 * i * n + 2 * j;
      h[corner] = c === 0 ? 1 : c;
      h[corner + 1] = c === 0 ? -1 : c;
      h[corner + n] = c === 0 ? -1 : c;
      h[corner + n + 1] = c === 0 ? -1 : -c;
    }
  }
  return h;
}

/** Elements are numbered by their digits in base p: the coefficients of a polynomial. Degrees up to 3. */
function quadraticCharacter(q: number): CharacterTable | null {
  const field = primePower(q);
  if (field === null) return null;
  const { prime, degree } = field;
  const digits = Array.from({ length: q }, (_, element) => Array.from({ length: degree }, (_, d) => Math.floor(element / prime ** d) % prime));
  const number = (coefficients: readonly number[]): number => coefficients.reduce((sum, c, d) => sum + c * prime ** d, 0);
  const modulus = irreducible(prime, degree);
  const isSquare = new Uint8Array(q);
  for (let a = 1; a < q; a++) isSquare[number(multiply(digits[a], digits[a], modulus, prime))] = 1;
  const table = new Int8Array(q * q);
  for (let i = 0; i < q; i++) {
    for (let j = 0; j < q; j++) {
      if (i === j) continue;
      const difference = number(digits[i].map((c, d) => (c - digits[j][d] + prime) % prime));
      table[i * q + j] = isSquare[difference] === 1 ? 1 : -1;
    }
  }
  return table;
}

function primePower(q: number): { prime: number; degree: number } | null {
  if (q < 3) return null;
  let prime = 2;
  while (prime * prime <= q && q % prime !== 0) prime++;
  if (q % prime !== 0) prime = q;
  const degree = [1, 2, 3].find((d) => prime ** d === q);
  return degree === undefined ? null : { prime, degree };
}

/** Coefficients c of x^degree = c₀ + c₁x + … modulo an irreducible polynomial. Up to degree 3 no root means irreducible. */
function irreducible(prime: number, degree: number): number[] {
  if (degree === 1) return [0];
  for (let code = 0; code < prime ** degree; code++) {
    const c = Array.from({ length: degree }, (_, d) => Math.floor(code / prime ** d) % prime);
    let hasRoot = false;
    for (let x = 0; x < prime && !hasRoot; x++) {
      const rest = c.reduce((sum, value, d) => (sum + value * x ** d) % prime, 0);
      hasRoot = x ** degree % prime === rest;
    }
    if (!hasRoot) return c;
  }
  throw new Error(`no irreducible polynomial of degree ${degree} over GF(${prime})`);
}

function multiply(a: readonly number[], b: readonly number[], modulus: readonly number[], prime: number): number[] {
  const degree = a.length;
  const product = Array.from({ length: 2 * degree - 1 }, () => 0);
  for (let i = 0; i < degree; i++) for (let j = 0; j < degree; j++) product[i + j] = (product[i + j] + a[i] * b[j]) % prime;
  for (let i = 2 * degree - 2; i >= degree; i--) {
    for (let d = 0; d < degree; d++) product[i - degree + d] = (product[i - degree + d] + product[i] * modulus[d]) % prime;
  }
  return product.slice(0, degree);
}
