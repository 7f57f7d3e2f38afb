/**
 * Runs a grammar byte by byte. A configuration is a state of a lexeme and what may follow it; a state of the automaton is the set of
 * configurations that the bytes so far allow, one for each lexeme state. What may follow is a set of stacks, kept as a tree: each
 * symbol once, with all that may lie below it. So readings that differ far below cost nothing until they come to the top. Stacks and
 * sets are interned, so a state is a small number and its transitions are remembered in one flat table, made as they are first asked for.
 */
import { Expansion } from './expand.ts';
import { MAX_NESTING } from './grammar.ts';
import type { Grammar, GrammarSymbol } from './grammar.ts';
import { ListTable, PairTable, grown } from './intern.ts';
import { STOP, ToldLexeme, openLexeme } from './lexeme.ts';
import type { ByteSet, Lexeme, TextPlace } from './lexeme.ts';

export const UNKNOWN = -2;
export const REJECT = -1;
/** The node below which there is nothing, and the set of stacks that has only it. */
const BOTTOM = 0;
/** No lexeme has so low a number. */
const BOTTOM_SYMBOL = -(2 ** 31);
const EMPTY_STACK = 0;
const MAX_CONFIGURATIONS = 20_000;
const MAX_CLOSURE_NODES = 50_000;
const MAX_JOIN_DEPTH = 2_000;
/** States kept before the automaton starts afresh; more each time, since a long text may need them all. */
const FEW_STATES = 1 << 14;
const MAX_STATES = 1 << 16;
const MAX_NODES = 1 << 21;

/** Letters and digits first: where there is a choice, most often among them. */
const SCAN_ORDER = [...'aeE0159 "]}[{,tfnT'].map((char) => char.charCodeAt(0)).concat(Array.from({ length: 256 }, (_, byte) => byte)).filter((byte, i, all) => all.indexOf(byte) === i);

/** The text can be read in too many ways at once. */
export class AmbiguityError extends Error {
  override name = 'AmbiguityError';

  constructor() {
    super('the grammar is too ambiguous: the text so far can be read in too many ways');
  }
}

interface Closure {
  /** Lexeme state, stacks, lexeme state, stacks, … */
  readonly configurations: readonly number[];
  readonly accepts: boolean;
}

export class Automaton {
  readonly #grammar: Grammar;
  #limit = FEW_STATES;
  /** Changes when the states were dropped: their numbers mean nothing any more. */
  generation = 0;
  /** state · 256 + byte → state, REJECT or UNKNOWN. */
  transitions = new Int32Array(0);
  start = 0;
  /** Configurations that may still be looked at before the automaton gives up: its owner sets it. */
  workLeft = Infinity;

  #expansion!: Expansion;
  #lexemes!: (Lexeme | undefined)[];
  /** Lexeme and its own state ↔ one number. */
  #lexemeStates!: PairTable;
  /** Of a lexeme state, or −1: states of lexemes that tell what was read are met once. */
  #rows!: number[];
  /** row · 256 + byte → lexeme state, REJECT or UNKNOWN. */
  #lexemeNext!: Int32Array;
  #numRows = 0;
  /** Bit 0: accepts; bit 1: nothing can follow. */
  #lexemeFlags!: number[];
  /** Of each lexeme state. */
  #bytes!: ByteSet[];
  #primed!: Uint8Array;
  /** Symbol and the stacks below it. */
  #nodes!: PairTable;
  /** Containers that are open at each node. */
  #depths!: number[];
  /** Sets of stacks: their topmost nodes, one for each symbol. */
  #stacks!: ListTable;
  #single!: (number | undefined)[];
  #joins!: ListTable;
  #joined!: (number | undefined)[];
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
    this.#rows = [];
    this.#numRows = 0;
    this.#lexemeNext = new Int32Array(64 * 256).fill(UNKNOWN);
    this.#lexemeFlags = [];
    this.#bytes = [];
    this.#primed = new Uint8Array(64);
    this.#nodes = new PairTable();
    this.#nodes.id(BOTTOM_SYMBOL, EMPTY_STACK);
    this.#depths = [0];
    this.#stacks = new ListTable();
    this.#stacks.id(Int32Array.of(BOTTOM));
    this.#single = [EMPTY_STACK];
    this.#joins = new ListTable();
    this.#joined = [];
    this.#closures = [];
    this.#sets = new ListTable();
    this.#singles = new PairTable();
    this.#singleStates = [];
    this.#accepting = new Uint8Array(64);
    this.transitions = new Int32Array(64 * 256).fill(UNKNOWN);
    const { configurations, accepts } = this.#closure(this.#stackOf(this.#push(this.#grammar.root, EMPTY_STACK)));
    this.start = this.#intern(configurations, accepts);
  }

  get size(): number {
    return this.#sets.lists.length;
  }

  /** Drops everything where it has grown too large; states are renumbered then. */
  trim(): void {
    if (this.size < this.#limit && this.#nodes.size < MAX_NODES && this.#lexemeStates.size < 2 * this.#limit) return;
    this.#limit = Math.min(2 * this.#limit, MAX_STATES);
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
    if (this.#primed[state] === 0) this.#prime(state);
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

  /** The texts within which the state is at a border of two characters; the state with them alone, and without them. */
  texts(state: number): { readonly texts: readonly TextPlace[]; readonly alone: number; readonly rest: number } {
    const set = this.#sets.lists[state];
    const texts: TextPlace[] = [];
    const inTexts: number[] = [];
    const others: number[] = [];
    for (let i = 0; i + 1 < set.length; i += 2) {
      const place = this.#lexeme(this.#lexemeStates.first[set[i]]).place(this.#lexemeStates.second[set[i]]);
      (place === null ? others : inTexts).push(set[i], set[i + 1]);
      if (place !== null) texts.push(place);
    }
    const part = (configurations: readonly number[], others: readonly number[]): number => (configurations.length === 0 ? REJECT : others.length === 0 ? state : this.#intern(configurations, false));
    return { texts, alone: part(inTexts, others), rest: part(others, inTexts) };
  }

  /** States with equal keys, all within texts that are told and may go on, are left by the same bytes. */
  keyOfTold(state: number): string | null {
    const set = this.#sets.lists[state];
    if (set.length !== 2 || !(this.#lexeme(this.#lexemeStates.first[set[0]]) instanceof ToldLexeme)) return null;
    const stacks = this.#stacks.lists[set[1]];
    const key = stacks.length === 1 ? this.#expansion.keyWithoutUsed(this.#nodes.first[stacks[0]]) : null;
    return key === null ? null : `${key} ${this.#nodes.second[stacks[0]]}`;
  }

  /** What no lexeme of the state takes is refused for all such bytes at once. */
  #prime(state: number): void {
    const set = this.#sets.lists[state];
    const may = new Int32Array(8);
    for (let i = 0; i + 1 < set.length; i += 2) {
      const bytes = this.#bytes[set[i]];
      for (let word = 0; word < 8; word++) may[word] |= bytes[word];
    }
    const row = state << 8;
    for (let byte = 0; byte < 256; byte++) if (((may[byte >> 5] >> (byte & 31)) & 1) === 0) this.transitions[row | byte] = REJECT;
    this.#primed[state] = 1;
  }

  #step(state: number, byte: number): number {
    if (this.#primed[state] === 0) {
      this.#prime(state);
      if (this.transitions[(state << 8) | byte] === REJECT) return REJECT;
    }
    const set = this.#sets.lists[state];
    const out: number[] = [];
    let accepts = false;
    this.#spend(set.length);
    for (let i = 0; i + 1 < set.length; i += 2) {
      const lexeme = this.#stepLexeme(set[i], byte);
      if (lexeme === REJECT) continue;
      const flags = this.#lexemeFlags[lexeme];
      if ((flags & 2) === 0) out.push(lexeme, set[i + 1]);
      if ((flags & 1) === 0) continue;
      const closure = this.#closure(this.#after(lexeme, set[i + 1]));
      accepts ||= closure.accepts;
      this.#spend(closure.configurations.length);
      for (const part of closure.configurations) out.push(part);
    }
    const next = out.length === 0 && !accepts ? REJECT : out.length === 2 && !accepts ? this.#internOne(out) : this.#intern(out, accepts);
    this.transitions[(state << 8) | byte] = next;
    return next;
  }

  #spend(work: number): void {
    this.workLeft -= work;
    if (this.workLeft < 0) throw new AmbiguityError();
  }

  /** What follows a lexeme that has been read in full. */
  #after(state: number, stacks: number): number {
    const lexeme = this.#lexeme(this.#lexemeStates.first[state]);
    if (!(lexeme instanceof ToldLexeme)) return stacks;
    const value = lexeme.valueOf(this.#lexemeStates.second[state]);
    this.#spend(value.length);
    const nodes = Array.from(this.#stacks.lists[stacks], (node) => this.#push(this.#expansion.afterValue(this.#nodes.first[node], value), this.#nodes.second[node]));
    return this.#stacks.id(Int32Array.from(nodes).sort());
  }

  #stepLexeme(state: number, byte: number): number {
    const row = this.#rows[state];
    const at = (row << 8) | byte;
    const known = row < 0 ? UNKNOWN : this.#lexemeNext[at];
    if (known !== UNKNOWN) return known;
    const lexeme = this.#lexemeStates.first[state];
    const target = this.#lexeme(lexeme).step(this.#lexemeStates.second[state], byte);
    const next = target === STOP ? REJECT : this.#lexemeState(lexeme, target);
    if (row >= 0) this.#lexemeNext[at] = next;
    return next;
  }

  #lexeme(index: number): Lexeme {
    return (this.#lexemes[index] ??= openLexeme(this.#expansion.lexeme(index)));
  }

  #lexemeState(lexeme: number, own: number): number {
    const id = this.#lexemeStates.id(lexeme, own);
    if (id === this.#lexemeFlags.length) {
      const automaton = this.#lexeme(lexeme);
      this.#lexemeFlags.push((automaton.accepts(own) ? 1 : 0) | (automaton.isLast(own) ? 2 : 0));
      this.#bytes.push(automaton.bytes(own));
      this.#rows.push(automaton instanceof ToldLexeme ? -1 : this.#numRows++);
      if (this.#numRows << 8 > this.#lexemeNext.length) this.#lexemeNext = doubled(this.#lexemeNext);
    }
    return id;
  }

  #push(symbol: GrammarSymbol, below: number): number {
    const id = this.#nodes.id(symbol, below);
    if (id === this.#depths.length) this.#depths.push(this.#depthOf(below) + (this.#expansion.isFrame(symbol) ? 1 : 0));
    return id;
  }

  #depthOf(stacks: number): number {
    return this.#stacks.lists[stacks].reduce((most, node) => Math.max(most, this.#depths[node]), 0);
  }

  #stackOf(node: number): number {
    return (this.#single[node] ??= this.#stacks.id(Int32Array.of(node)));
  }

  /** All of these sets of stacks in one. */
  #join(sets: readonly number[], depth = 0): number {
    const distinct = Int32Array.from(new Set(sets)).sort();
    if (distinct.length === 1) return distinct[0];
    const key = this.#joins.id(distinct);
    const known = this.#joined[key];
    if (known !== undefined) return known;
    if (depth > MAX_JOIN_DEPTH) throw new AmbiguityError();
    const belows = new Map<GrammarSymbol, number[]>();
    for (const set of distinct) {
      for (const node of this.#stacks.lists[set]) {
        const below = belows.get(this.#nodes.first[node]);
        if (below === undefined) belows.set(this.#nodes.first[node], [this.#nodes.second[node]]);
        else below.push(this.#nodes.second[node]);
      }
    }
    const nodes = Array.from(belows, ([symbol, below]) => (symbol === BOTTOM_SYMBOL ? BOTTOM : this.#push(symbol, this.#join(below, depth + 1))));
    return (this.#joined[key] = this.#stacks.id(Int32Array.from(nodes).sort()));
  }

  /** Everything that can be read next where one of the stacks is what must follow. */
  #closure(stacks: number): Closure {
    return (this.#closures[stacks] ??= this.#close(stacks));
  }

  #close(stacks: number): Closure {
    const configurations: number[] = [];
    let accepts = false;
    const seen = new Set(this.#stacks.lists[stacks]);
    for (const node of seen) {
      if (node === BOTTOM) {
        accepts = true;
        continue;
      }
      const symbol = this.#nodes.first[node];
      const below = this.#nodes.second[node];
      if (symbol < 0) {
        const lexeme = -1 - symbol;
        const state = this.#lexemeState(lexeme, this.#lexeme(lexeme).start);
        const flags = this.#lexemeFlags[state];
        if ((flags & 2) === 0) configurations.push(state, below);
        if ((flags & 1) === 1) for (const next of this.#stacks.lists[below]) seen.add(next);
        continue;
      }
      const depth = this.#depthOf(below);
      for (const { symbols, height } of this.#expansion.of(symbol)) {
        if (depth + height > MAX_NESTING) continue;
        if (symbols.length === 0) for (const next of this.#stacks.lists[below]) seen.add(next);
        let top = below;
        for (let i = symbols.length - 1; i > 0; i--) top = this.#stackOf(this.#push(symbols[i], top));
        if (symbols.length > 0) seen.add(this.#push(symbols[0], top));
      }
      if (seen.size > MAX_CLOSURE_NODES) throw new AmbiguityError();
    }
    this.#spend(seen.size);
    return { configurations, accepts };
  }

  /** Most states are a single configuration. */
  #internOne(configuration: readonly number[]): number {
    const single = this.#singles.id(configuration[0], configuration[1]);
    if (single === this.#singleStates.length) this.#singleStates.push(this.#intern(configuration, false));
    return this.#singleStates[single];
  }

  /** Lexeme states in order, each once; an accepting set ends with an odd entry, so it differs from the same set that does not accept. */
  #canonical(configurations: readonly number[], accepts: boolean): Int32Array {
    const count = configurations.length / 2;
    if (count <= 1) return Int32Array.from(accepts ? [...configurations, -1] : configurations);
    const keys = new Float64Array(count);
    for (let i = 0; i < count; i++) keys[i] = configurations[2 * i] * 2 ** 26 + configurations[2 * i + 1];
    keys.sort();
    const out = new Int32Array(configurations.length + 1);
    let length = 0;
    for (let i = 0; i < count; ) {
      const lexeme = Math.floor(keys[i] / 2 ** 26);
      const stacks: number[] = [];
      for (; i < count && Math.floor(keys[i] / 2 ** 26) === lexeme; i++) stacks.push(keys[i] % 2 ** 26);
      out[length++] = lexeme;
      out[length++] = stacks.length === 1 ? stacks[0] : this.#join(stacks);
    }
    if (accepts) out[length++] = -1;
    return out.slice(0, length);
  }

  #intern(configurations: readonly number[], accepts: boolean): number {
    const set = this.#canonical(configurations, accepts);
    if (set.length > 2 * MAX_CONFIGURATIONS) throw new AmbiguityError();
    const id = this.#sets.id(set);
    if (id >= this.#accepting.length) {
      const longer = (flags: Uint8Array): Uint8Array => {
        const larger = new Uint8Array(2 * flags.length);
        larger.set(flags);
        return larger;
      };
      this.#accepting = longer(this.#accepting);
      this.#primed = longer(this.#primed);
      this.transitions = doubled(this.transitions);
    }
    this.#accepting[id] = accepts ? 1 : 0;
    return id;
  }
}

function doubled(table: Int32Array): Int32Array<ArrayBuffer> {
  const larger = grown(table, 2 * table.length);
  larger.fill(UNKNOWN, table.length);
  return larger;
}
