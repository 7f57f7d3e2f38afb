/**
 * Runs a grammar byte by byte. A configuration is a state of a lexeme and the stack of symbols that must follow it; a state of the
 * automaton is the set of configurations that the bytes so far allow. Stacks, configurations and sets are interned, so a state is a
 * small number and its transitions are remembered in one flat table, made as they are first asked for.
 */
import { Expansion } from './expand.ts';
import { MAX_NESTING } from './grammar.ts';
import type { Grammar, GrammarSymbol } from './grammar.ts';
import { ListTable, PairTable, grown } from './intern.ts';
import { STOP, openLexeme } from './lexeme.ts';
import type { Lexeme, TextPlace } from './lexeme.ts';

export const UNKNOWN = -2;
export const REJECT = -1;
const EMPTY_STACK = 0;
const MAX_CONFIGURATIONS = 20_000;
const MAX_CLOSURE_STACKS = 50_000;
/** States kept before the automaton starts afresh. */
const MAX_STATES = 1 << 14;
const MAX_STACKS = 1 << 21;

/** Letters and digits first: where there is a choice, most often among them. */
const SCAN_ORDER = [...'aeE0159 "]}[{,tfnT'].map((char) => char.charCodeAt(0)).concat(Array.from({ length: 256 }, (_, byte) => byte)).filter((byte, i, all) => all.indexOf(byte) === i);

/** The text can be read in too many ways at once. */
export class AmbiguityError extends Error {
  override name = 'AmbiguityError';

  constructor() {
    super(`the grammar is too ambiguous: more than ${MAX_CONFIGURATIONS} ways to read the text so far`);
  }
}

interface Closure {
  /** Lexeme state, stack, lexeme state, stack, … */
  readonly configurations: readonly number[];
  readonly accepts: boolean;
}

export class Automaton {
  readonly #grammar: Grammar;
  /** Changes when the states were dropped: their numbers mean nothing any more. */
  generation = 0;
  /** state · 256 + byte → state, REJECT or UNKNOWN. */
  transitions = new Int32Array(0);
  start = 0;

  #expansion!: Expansion;
  #lexemes!: (Lexeme | undefined)[];
  /** Lexeme and its own state ↔ one number. */
  #lexemeStates!: PairTable;
  /** lexeme state · 256 + byte → lexeme state, REJECT or UNKNOWN. */
  #lexemeNext!: Int32Array;
  /** Bit 0: accepts; bit 1: nothing can follow. */
  #lexemeFlags!: number[];
  /** Symbol and the stack below it; stack 0 is empty. */
  #stacks!: PairTable;
  #depths!: number[];
  #closures!: (Closure | undefined)[];
  #sets!: ListTable;
  #singles!: PairTable;
  #singleStates!: number[];
  #accepting!: Uint8Array;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
    this.#begin();
  }

  #begin(): void {
    this.#expansion = new Expansion(this.#grammar);
    this.#lexemes = [];
    this.#lexemeStates = new PairTable();
    this.#lexemeNext = new Int32Array(64 * 256).fill(UNKNOWN);
    this.#lexemeFlags = [];
    this.#stacks = new PairTable();
    this.#stacks.id(-1, -1);
    this.#depths = [0];
    this.#closures = [];
    this.#sets = new ListTable();
    this.#singles = new PairTable();
    this.#singleStates = [];
    this.#accepting = new Uint8Array(64);
    this.transitions = new Int32Array(64 * 256).fill(UNKNOWN);
    const { configurations, accepts } = this.#closure(this.#push(this.#grammar.root, EMPTY_STACK));
    this.start = this.#intern(configurations, accepts);
  }

  get size(): number {
    return this.#sets.lists.length;
  }

  /** Drops everything where it has grown too large; states are renumbered then. */
  trim(): void {
    if (this.size < MAX_STATES && this.#stacks.size < MAX_STACKS && this.#lexemeStates.size < MAX_STATES) return;
    this.generation++;
    this.#begin();
  }

  step(state: number, byte: number): number {
    const known = this.transitions[(state << 8) | byte];
    return known === UNKNOWN ? this.#step(state, byte) : known;
  }

  isAccepting(state: number): boolean {
    return this.#accepting[state] === 1;
  }

  /** The one byte that can follow; null where there is none or a choice. */
  onlyByte(state: number): number | null {
    let only: number | null = null;
    for (let byte = 0; byte < 256; byte++) {
      if (this.step(state, SCAN_ORDER[byte]) === REJECT) continue;
      if (only !== null) return null;
      only = SCAN_ORDER[byte];
    }
    return only;
  }

  hasNext(state: number): boolean {
    return SCAN_ORDER.some((byte) => this.step(state, byte) !== REJECT);
  }

  /** The texts within which the state is at a border of two characters, and the state without them. */
  texts(state: number): { readonly texts: readonly TextPlace[]; readonly rest: number } {
    const set = this.#sets.lists[state];
    const texts: TextPlace[] = [];
    const others: number[] = [];
    for (let i = 0; i + 1 < set.length; i += 2) {
      const place = this.#lexeme(this.#lexemeStates.first[set[i]]).place(this.#lexemeStates.second[set[i]]);
      if (place === null) others.push(set[i], set[i + 1]);
      else texts.push(place);
    }
    return { texts, rest: others.length === 0 ? REJECT : texts.length === 0 ? state : this.#intern(others, false) };
  }

  #step(state: number, byte: number): number {
    const set = this.#sets.lists[state];
    const out: number[] = [];
    let accepts = false;
    for (let i = 0; i + 1 < set.length; i += 2) {
      const lexeme = this.#stepLexeme(set[i], byte);
      if (lexeme === REJECT) continue;
      const flags = this.#lexemeFlags[lexeme];
      if ((flags & 2) === 0) out.push(lexeme, set[i + 1]);
      if ((flags & 1) === 0) continue;
      const closure = this.#closure(set[i + 1]);
      accepts ||= closure.accepts;
      for (const part of closure.configurations) out.push(part);
    }
    const next = out.length === 0 && !accepts ? REJECT : out.length === 2 && !accepts ? this.#internOne(out) : this.#intern(out, accepts);
    this.transitions[(state << 8) | byte] = next;
    return next;
  }

  #stepLexeme(state: number, byte: number): number {
    const at = (state << 8) | byte;
    const known = this.#lexemeNext[at];
    if (known !== UNKNOWN) return known;
    const lexeme = this.#lexemeStates.first[state];
    const target = this.#lexeme(lexeme).step(this.#lexemeStates.second[state], byte);
    const next = target === STOP ? REJECT : this.#lexemeState(lexeme, target);
    this.#lexemeNext[at] = next;
    return next;
  }

  #lexeme(index: number): Lexeme {
    return (this.#lexemes[index] ??= openLexeme(this.#grammar.lexemes[index]));
  }

  #lexemeState(lexeme: number, own: number): number {
    const id = this.#lexemeStates.id(lexeme, own);
    if (id === this.#lexemeFlags.length) {
      const automaton = this.#lexeme(lexeme);
      this.#lexemeFlags.push((automaton.accepts(own) ? 1 : 0) | (automaton.isLast(own) ? 2 : 0));
      if (id << 8 >= this.#lexemeNext.length) this.#lexemeNext = doubled(this.#lexemeNext);
    }
    return id;
  }

  #push(symbol: GrammarSymbol, below: number): number {
    const id = this.#stacks.id(symbol, below);
    if (id === this.#depths.length) this.#depths.push(this.#depths[below] + (this.#expansion.isFrame(symbol) ? 1 : 0));
    return id;
  }

  /** Everything that can be read next where `stack` is what must follow. */
  #closure(stack: number): Closure {
    return (this.#closures[stack] ??= this.#close(stack));
  }

  #close(start: number): Closure {
    const configurations: number[] = [];
    let accepts = false;
    const seen = new Set([start]);
    for (const stack of seen) {
      if (stack === EMPTY_STACK) {
        accepts = true;
        continue;
      }
      const symbol = this.#stacks.first[stack];
      const below = this.#stacks.second[stack];
      if (symbol < 0) {
        const lexeme = -1 - symbol;
        const state = this.#lexemeState(lexeme, this.#lexeme(lexeme).start);
        const flags = this.#lexemeFlags[state];
        if ((flags & 2) === 0) configurations.push(state, below);
        if ((flags & 1) === 1) seen.add(below);
        continue;
      }
      for (const { symbols, height } of this.#expansion.of(symbol)) {
        if (this.#depths[below] + height > MAX_NESTING) continue;
        let top = below;
        for (let i = symbols.length - 1; i >= 0; i--) top = this.#push(symbols[i], top);
        seen.add(top);
      }
      if (seen.size > MAX_CLOSURE_STACKS) throw new AmbiguityError();
    }
    return { configurations, accepts };
  }

  /** Most states are a single configuration. */
  #internOne(configuration: readonly number[]): number {
    const single = this.#singles.id(configuration[0], configuration[1]);
    if (single === this.#singleStates.length) this.#singleStates.push(this.#intern(configuration, false));
    return this.#singleStates[single];
  }

  #intern(configurations: readonly number[], accepts: boolean): number {
    const set = canonical(configurations, accepts);
    if (set.length > 2 * MAX_CONFIGURATIONS) throw new AmbiguityError();
    const id = this.#sets.id(set);
    if (id >= this.#accepting.length) {
      const larger = new Uint8Array(2 * this.#accepting.length);
      larger.set(this.#accepting);
      this.#accepting = larger;
      this.transitions = doubled(this.transitions);
    }
    this.#accepting[id] = accepts ? 1 : 0;
    return id;
  }
}

/** Pairs in order, each once; an accepting set ends with an odd entry, so it differs from the same set that does not accept. */
function canonical(configurations: readonly number[], accepts: boolean): Int32Array {
  const count = configurations.length / 2;
  const extra = accepts ? 1 : 0;
  if (count <= 1) return Int32Array.from(accepts ? [...configurations, -1] : configurations);
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) keys[i] = configurations[2 * i] * 2 ** 26 + configurations[2 * i + 1];
  keys.sort();
  const out = new Int32Array(configurations.length + extra);
  let length = 0;
  for (let i = 0; i < count; i++) {
    if (i > 0 && keys[i] === keys[i - 1]) continue;
    out[length++] = Math.floor(keys[i] / 2 ** 26);
    out[length++] = keys[i] % 2 ** 26;
  }
  if (accepts) out[length++] = -1;
  return out.slice(0, length);
}

function doubled(table: Int32Array): Int32Array<ArrayBuffer> {
  const larger = grown(table, 2 * table.length);
  larger.fill(UNKNOWN, table.length);
  return larger;
}
