/** Sets of code points: sorted, disjoint, non-adjacent inclusive ranges, flat: [low, high, low, high, ...]. */
export type CharSet = readonly number[];

export const MAX_CODE_POINT = 0x10ffff;
export const ANY_CHAR: CharSet = [0, MAX_CODE_POINT];

export function charSet(ranges: readonly (readonly [number, number])[]): CharSet {
  const sorted = ranges.toSorted((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [low, high] of sorted) {
    if (out.length > 0 && low <= out[out.length - 1] + 1) out[out.length - 1] = Math.max(out[out.length - 1], high);
    else out.push(low, high);
  }
  return out;
}

const pairs = (set: CharSet): [number, number][] => Array.from({ length: set.length / 2 }, (_, i) => [set[2 * i], set[2 * i + 1]]);

export const union = (...sets: readonly CharSet[]): CharSet => charSet(sets.flatMap(pairs));

export function complement(set: CharSet): CharSet {
  const out: number[] = [];
  let next = 0;
  for (const [low, high] of pairs(set)) {
    if (low > next) out.push(next, low - 1);
    next = high + 1;
  }
  if (next <= MAX_CODE_POINT) out.push(next, MAX_CODE_POINT);
  return out;
}

export function contains(set: CharSet, codePoint: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (codePoint >= set[i] && codePoint <= set[i + 1]) return true;
  return false;
}

const of = (...ranges: readonly (readonly [string, string])[]): CharSet =>
  charSet(ranges.map(([low, high]) => [low.codePointAt(0) as number, high.codePointAt(0) as number]));

const DIGIT = of(['0', '9']);
const WORD = of(['a', 'z'], ['A', 'Z'], ['0', '9'], ['_', '_']);
const SPACE = charSet([[9, 13], [32, 32], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff]]);

/** Class escapes, by letter. */
export const CLASS_ESCAPES: Readonly<Record<string, CharSet>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};

/** What `.` matches without the s flag. */
export const DOT = complement(charSet([[10, 10], [13, 13], [0x2028, 0x2029]]));

const properties = new Map<string, CharSet | null>();

/** `\p{name}`, asked of the host's own tables; null where there is no such property. */
export function unicodeProperty(name: string): CharSet | null {
  let set = properties.get(name);
  if (set === undefined) {
    set = /^[A-Za-z0-9_=]{1,64}$/.test(name) ? scanProperty(name) : null;
    if (properties.size > 64) properties.clear();
    properties.set(name, set);
  }
  return set;
}

function scanProperty(name: string): CharSet | null {
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^\\p{${name}}$`, 'u');
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  const out: number[] = [];
  let start = -1;
  for (let codePoint = 0; codePoint <= MAX_CODE_POINT + 1; codePoint++) {
    const inside = codePoint <= MAX_CODE_POINT && pattern.test(String.fromCodePoint(codePoint));
    if (inside && start < 0) start = codePoint;
    if (!inside && start >= 0) {
      out.push(start, codePoint - 1);
      start = -1;
    }
  }
  return out;
}
