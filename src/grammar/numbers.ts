/** Sets of numbers, told apart by their decimal digits: bounds, multiples, and the complements of both. */
import type { Dfa } from './dfa.ts';
import { BudgetError, spend } from './error.ts';

export interface Condition {
  /** Multiples of step · 10^−places. */
  readonly step: number;
  readonly places: number;
  readonly negative: boolean;
}

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

export interface NumberSet {
  readonly min: Bound | null;
  readonly max: Bound | null;
  readonly conditions: readonly Condition[];
}

export const ANY_NUMBER: NumberSet = { min: null, max: null, conditions: [] };
export const INTEGER: Condition = { step: 1, places: 0, negative: false };

const keyOfBound = (bound: Bound | null): string => (bound === null ? '' : `${bound.exclusive ? '!' : ''}${bound.value}`);
export const keyOfNumbers = ({ min, max, conditions }: NumberSet): string =>
  `${keyOfBound(min)}:${keyOfBound(max)}:${conditions.map(({ step, places, negative }) => `${negative ? '!' : ''}${step}e${places}`).sort().join()}`;

/** Null where the divisor has too many digits to be told exactly. */
export function multipleOf(divisor: number): Condition | null {
  const { whole, fraction } = decimal(divisor);
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  return digits.length > 9 ? null : { step: Number(digits), places: fraction.length, negative: false };
}

export function intersectNumbers(a: NumberSet, b: NumberSet): NumberSet | null {
  const min = tighter(a.min, b.min, 1);
  const max = tighter(a.max, b.max, -1);
  if (min !== null && max !== null && (min.value > max.value || (min.value === max.value && (min.exclusive || max.exclusive)))) return null;
  const conditions = [...new Map([...a.conditions, ...b.conditions].map((c) => [`${c.step},${c.places},${c.negative}`, c])).values()];
  const impossible = conditions.some((c) => c.negative && conditions.some((d) => !d.negative && isMultiple(d, c)));
  return impossible ? null : { min, max, conditions };
}

/** Every multiple of d is one of c. */
const isMultiple = (d: Condition, c: Condition): boolean => d.places <= c.places && (d.step * 10 ** (c.places - d.places)) % c.step === 0;

function tighter(a: Bound | null, b: Bound | null, sign: 1 | -1): Bound | null {
  if (a === null || b === null) return a ?? b;
  if (a.value === b.value) return a.exclusive ? a : b;
  return sign * a.value > sign * b.value ? a : b;
}

export function complementNumbers({ min, max, conditions }: NumberSet): NumberSet[] {
  const parts: NumberSet[] = conditions.map((condition) => ({ ...ANY_NUMBER, conditions: [{ ...condition, negative: !condition.negative }] }));
  if (min !== null) parts.push({ ...ANY_NUMBER, max: { value: min.value, exclusive: !min.exclusive } });
  if (max !== null) parts.push({ ...ANY_NUMBER, min: { value: max.value, exclusive: !max.exclusive } });
  return parts;
}

export const exactly = (value: number): NumberSet => ({ min: { value, exclusive: false }, max: { value, exclusive: false }, conditions: [] });

/** A table over the bytes that numbers are written with: '-', '0'…'9', '.'. */
export interface NumberTable {
  readonly next: Int32Array;
  readonly accepting: Uint8Array;
}

export const NUMBER_LETTERS = '-0123456789.';
const WIDTH = NUMBER_LETTERS.length;
/** Doubles that are written without an exponent have no more. */
const MOST_DIGITS = 32;
/** Decimals with so many digits are distinct as doubles, so comparing digits and comparing doubles agree. */
const DOUBLE_DIGITS = 15;
const MAX_STATES = 20_000;
const MAX_REMAINDERS = 2_000;
const MAX_LISTED = 10_000;

interface Decimal {
  readonly whole: string;
  readonly fraction: string;
}

/** The magnitude's shortest decimal, written out. */
function decimal(value: number): Decimal {
  const [mantissa, exponent] = String(Math.abs(value)).split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  const shift = Number(exponent ?? 0);
  const digits = whole + fraction;
  const point = whole.length + shift;
  const left = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0');
  const right = point < 0 ? '0'.repeat(-point) + digits : digits.slice(Math.max(point, 0));
  return { whole: left.replace(/^0+(?=\d)/, ''), fraction: right.replace(/0+$/, '') };
}

interface Side {
  readonly decimal: Decimal;
  readonly exclusive: boolean;
}

interface Range {
  readonly negative: boolean;
  readonly low: Side | null;
  readonly high: Side | null;
}

const side = (bound: Bound | null): Side | null => (bound === null ? null : { decimal: decimal(bound.value), exclusive: bound.exclusive });

/** Magnitudes of the set's numbers of one sign; null where there are none. */
function magnitudes({ min, max }: NumberSet, negative: boolean): Range | null {
  const [near, far] = negative ? [max, min] : [min, max];
  const sign = negative ? -1 : 1;
  if (far !== null && (sign * far.value < 0 || (far.value === 0 && far.exclusive))) return null;
  const low = near !== null && (sign * near.value > 0 || (near.value === 0 && near.exclusive)) ? side(near) : null;
  return { negative, low, high: side(far) };
}

const START = 0;
const SIGN = 1;
const WHOLE = 2;
const POINT = 3;
const FRACTION = 4;

interface Place {
  readonly range: Range | null;
  readonly phase: number;
  /** Digits before or after the point; beyond what bounds and conditions look at they are alike. */
  readonly digits: number;
  /** Digits in all. */
  readonly total: number;
  /** How the digits so far compare with the range's ends. */
  readonly low: number;
  readonly high: number;
  /** Only zeros so far, after a minus sign. */
  readonly zero: boolean;
  readonly leadingZero: boolean;
  /** Of each group of conditions, and −1 where a digit beyond its places was not 0. */
  readonly remainders: readonly number[];
}

const tables = new Map<string, NumberTable | null>();

/** Null where no number is in the set. */
export function numberTable(set: NumberSet): NumberTable | null {
  const key = keyOfNumbers(set);
  let table = tables.get(key);
  if (table === undefined) {
    if (tables.size > 500) tables.clear();
    table = remaindersOf(groupsOf(set.conditions)) > MAX_REMAINDERS && isListable(set) ? listTable(set) : new NumberBuilder(set).build();
    tables.set(key, table);
  }
  return table;
}

function groupsOf(conditions: readonly Condition[]): { places: number; modulus: number }[] {
  const moduli = new Map<number, number>();
  for (const { step, places } of conditions) moduli.set(places, leastCommonMultiple(moduli.get(places) ?? 1, step));
  return Array.from(moduli, ([places, modulus]) => ({ places, modulus }));
}

const remaindersOf = (groups: readonly { readonly modulus: number }[]): number => groups.reduce((product, { modulus }) => product * (modulus + 1), 1);

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Few whole numbers: conditions too many to be told digit by digit are told one by one. */
const isListable = (set: NumberSet): boolean => isWhole(set) && set.min !== null && set.max !== null && set.max.value - set.min.value <= MAX_LISTED;

function listTable({ min, max, conditions }: NumberSet): NumberTable | null {
  const [low, high] = [min as Bound, max as Bound];
  const next: number[] = Array.from({ length: WIDTH }, () => -1);
  const accepting = [0];
  for (let n = Math.ceil(low.value); n <= high.value; n++) {
    if ((low.exclusive && n === low.value) || (high.exclusive && n === high.value)) continue;
    if (!conditions.every(({ step, places, negative }) => ((n * 10 ** places) % step === 0) !== negative)) continue;
    let state = 0;
    for (const char of String(n)) {
      const at = state * WIDTH + NUMBER_LETTERS.indexOf(char);
      if (next[at] < 0) {
        next[at] = accepting.push(0) - 1;
        for (let letter = 0; letter < WIDTH; letter++) next.push(-1);
      }
      state = next[at];
    }
    accepting[state] = 1;
  }
  return trim(Int32Array.from(next), Uint8Array.from(accepting));
}

/** The table as an automaton over characters. */
export function tableDfa({ next, accepting }: NumberTable): Dfa {
  const chars = Array.from(NUMBER_LETTERS, (char) => char.charCodeAt(0));
  const bounds = [...new Set([0, ...chars, ...chars.map((char) => char + 1)])].sort((a, b) => a - b);
  const numClasses = WIDTH + 1;
  const dfa = new Int32Array(accepting.length * numClasses).fill(-1);
  for (let state = 0; state < accepting.length; state++) dfa.set(next.subarray(state * WIDTH, (state + 1) * WIDTH), state * numClasses);
  return { bounds: Int32Array.from(bounds), classOf: Int32Array.from(bounds, (char) => (chars.includes(char) ? chars.indexOf(char) : WIDTH)), numClasses, next: dfa, accepting };
}

/** Only whole numbers are in the set, so that different digits are different numbers. */
export const isWhole = ({ conditions }: NumberSet): boolean => conditions.some(({ places, negative }) => places === 0 && !negative);

class NumberBuilder {
  readonly #conditions: readonly Condition[];
  /** Conditions of equal places share one remainder. */
  readonly #groups: readonly { readonly places: number; readonly modulus: number }[];
  readonly #totalDigits: number;
  readonly #fractionDigits: number;
  readonly #positive: Range | null;
  readonly #negative: Range | null;
  /** How many digits before and after the point bounds and conditions look at. */
  readonly #wholeSeen: number;
  readonly #fractionSeen: number;

  constructor(set: NumberSet) {
    this.#conditions = set.conditions;
    this.#groups = groupsOf(set.conditions);
    if (remaindersOf(this.#groups) > MAX_REMAINDERS) throw new BudgetError('needs too many states to be exact');
    const places = set.conditions.filter(({ negative }) => !negative).map((condition) => condition.places);
    const exclusive = [set.min, set.max].some((bound) => bound !== null && bound.exclusive && bound.value !== 0);
    const strict = exclusive || set.conditions.some(({ step, places: p, negative }) => negative || step !== 1 || p !== 0);
    this.#totalDigits = strict ? DOUBLE_DIGITS : MOST_DIGITS;
    this.#fractionDigits = Math.min(this.#totalDigits, ...places);
    this.#positive = magnitudes(set, false);
    this.#negative = magnitudes(set, true);
    const bounds = [this.#positive, this.#negative].flatMap((range) => (range === null ? [] : [range.low, range.high])).flatMap((end) => (end === null ? [] : [end.decimal]));
    this.#wholeSeen = 1 + Math.max(0, ...bounds.map(({ whole }) => whole.length));
    this.#fractionSeen = 1 + Math.max(0, ...bounds.map(({ fraction }) => fraction.length), ...set.conditions.map((condition) => condition.places));
  }

  build(): NumberTable | null {
    const start: Place = { range: null, phase: START, digits: 0, total: 0, low: 0, high: 0, zero: false, leadingZero: false, remainders: this.#groups.map(() => 0) };
    const places = [start];
    const indexOf = new Map([[this.#key(start), 0]]);
    const next: number[] = [];
    for (let i = 0; i < places.length; i++) {
      spend(2 * WIDTH);
      for (let letter = 0; letter < WIDTH; letter++) {
        const target = this.#step(places[i], letter);
        if (target === null) {
          next.push(-1);
          continue;
        }
        const key = this.#key(target);
        let index = indexOf.get(key);
        if (index === undefined) {
          index = places.length;
          if (index > MAX_STATES) throw new BudgetError('needs too many states to be exact');
          indexOf.set(key, index);
          places.push(target);
        }
        next.push(index);
      }
    }
    return trim(Int32Array.from(next), Uint8Array.from(places, (place) => (this.#accepts(place) ? 1 : 0)));
  }

  /** All that tells places apart, in one number. */
  #key({ range, phase, digits, total, low, high, zero, leadingZero, remainders }: Place): number {
    let key = range === null ? 0 : range.negative ? 2 : 1;
    key = (key * 5 + phase) * 400 + digits;
    key = ((key * 40 + total) * 3 + low + 1) * 3 + high + 1;
    key = key * 4 + (zero ? 2 : 0) + (leadingZero ? 1 : 0);
    for (let i = 0; i < remainders.length; i++) key = key * (this.#groups[i].modulus + 1) + remainders[i] + 1;
    return key;
  }

  #step(place: Place, letter: number): Place | null {
    const { phase } = place;
    if (letter === 0) return phase === START && this.#negative !== null ? { ...place, phase: SIGN, range: this.#negative, zero: true } : null;
    if (letter === WIDTH - 1) {
      if (phase !== WHOLE || this.#fractionDigits === 0) return null;
      return { ...endWhole(place), phase: POINT, digits: 0, leadingZero: false };
    }
    const range = phase === START ? this.#positive : place.range;
    return range === null ? null : this.#digit(place, range, letter - 1);
  }

  #digit(place: Place, range: Range, digit: number): Place | null {
    const { digits, total, remainders } = place;
    const inFraction = place.phase >= POINT;
    if (place.leadingZero || total >= this.#totalDigits || (inFraction && digits >= this.#fractionDigits)) return null;
    const compare = inFraction ? compareFraction : compareWhole;
    const low = range.low === null ? 1 : compare(place.low, digits, digit, range.low.decimal);
    const high = range.high === null ? -1 : compare(place.high, digits, digit, range.high.decimal);
    // Bounds that are broken after the point stay broken.
    if (inFraction && (low < 0 || high > 0)) return null;
    return {
      range,
      phase: inFraction ? FRACTION : WHOLE,
      digits: Math.min(digits + 1, inFraction ? this.#fractionSeen : this.#wholeSeen),
      total: total + 1,
      low,
      high,
      zero: place.zero && digit === 0,
      leadingZero: !inFraction && digits === 0 && digit === 0,
      remainders: remainders.length === 0 ? remainders : remainders.map((remainder, i) => this.#remainder(i, remainder, digit, inFraction ? digits : -1)),
    };
  }

  /** Beyond the condition's places only zeros keep a multiple. */
  #remainder(i: number, remainder: number, digit: number, fractionIndex: number): number {
    const { modulus, places } = this.#groups[i];
    if (remainder < 0) return remainder;
    if (fractionIndex >= places) return digit === 0 ? remainder : -1;
    return (remainder * 10 + digit) % modulus;
  }

  #accepts(place: Place): boolean {
    if (place.phase !== WHOLE && place.phase !== FRACTION) return false;
    const { low: lowSide, high: highSide, negative } = place.range as Range;
    if (negative && place.zero) return false;
    const { low, high } = place.phase === WHOLE ? endWhole(place) : place;
    const fraction = place.phase === FRACTION ? place.digits : 0;
    const atLow = low === 0 && lowSide !== null && lowSide.decimal.fraction.length > fraction ? -1 : low;
    const atHigh = high === 0 && highSide !== null && highSide.decimal.fraction.length > fraction ? -1 : high;
    if (lowSide !== null && (atLow < 0 || (atLow === 0 && lowSide.exclusive))) return false;
    if (highSide !== null && (atHigh > 0 || (atHigh === 0 && highSide.exclusive))) return false;
    return this.#conditions.every(({ step, places, negative: not }) => {
      const shared = place.remainders[this.#groups.findIndex((group) => group.places === places)];
      let remainder = shared < 0 ? shared : shared % step;
      for (let k = fraction; k < places && remainder > 0; k++) remainder = (remainder * 10) % step;
      return (remainder === 0) !== not;
    });
  }
}

function compareWhole(sofar: number, index: number, digit: number, { whole }: Decimal): number {
  if (index >= whole.length) return 1;
  return sofar !== 0 ? sofar : Math.sign(digit - Number(whole[index]));
}

function compareFraction(sofar: number, index: number, digit: number, { fraction }: Decimal): number {
  return sofar !== 0 ? sofar : Math.sign(digit - Number(fraction[index] ?? 0));
}

/** Fewer digits before the point than the bound has: smaller. */
function endWhole(place: Place): Place {
  const { low, high } = place.range as Range;
  return {
    ...place,
    low: low !== null && place.digits < low.decimal.whole.length ? -1 : place.low,
    high: high !== null && place.digits < high.decimal.whole.length ? -1 : place.high,
  };
}

function trim(next: Int32Array, accepting: Uint8Array): NumberTable | null {
  const live = Uint8Array.from(accepting);
  for (let changed = true; changed; ) {
    changed = false;
    for (let state = accepting.length - 1; state >= 0; state--) {
      if (live[state] === 1) continue;
      for (let letter = 0; letter < WIDTH && live[state] === 0; letter++) {
        const target = next[state * WIDTH + letter];
        if (target >= 0 && live[target] === 1) live[state] = 1;
      }
      if (live[state] === 1) changed = true;
    }
  }
  if (live[0] === 0) return null;
  return { next: next.map((target) => (target >= 0 && live[target] === 1 ? target : -1)), accepting };
}
