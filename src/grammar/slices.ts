/**
 * Masks that many states share. A token that stays within a text is allowed wherever that text is, whatever may follow it; so it is
 * found once for a language and a place in it, not once for every state, and only the other tokens are walked for each state.
 */
import { REJECT, UNKNOWN } from './automaton.ts';
import { grown } from './intern.ts';
import { TextLexeme } from './lexeme.ts';
import type { Lexeme, TextPlace } from './lexeme.ts';
import { isAbsorbing, isUniversal } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import type { TokenTrie, Vocabulary } from './trie.ts';

/** An automaton over bytes whose transitions become known as they are asked for. */
export interface ByteTable {
  /** state · 256 + byte → state, REJECT or UNKNOWN. */
  readonly transitions: Int32Array;
  step(state: number, byte: number): number;
}

/** Walks a trie beside an automaton. */
export class Walker {
  readonly #path: Int32Array;
  /** Of the last walk: tokens that the automaton takes, and the states they lead to. */
  tokens = new Int32Array(1024);
  states = new Int32Array(1024);

  constructor(maxDepth: number) {
    this.#path = new Int32Array(maxDepth + 1);
  }

  /** How many tokens were found among the nodes from `first` to `last`, which are whole subtrees of the root. */
  walk({ bytes, depths, ends, tokens }: TokenTrie, table: ByteTable, start: number, first = 0, last = bytes.length): number {
    const path = this.#path;
    let { transitions } = table;
    let count = 0;
    path[0] = start;
    for (let node = first; node < last; ) {
      const depth = depths[node];
      let next = transitions[(path[depth] << 8) | bytes[node]];
      if (next < REJECT) {
        next = table.step(path[depth], bytes[node]);
        ({ transitions } = table);
      }
      if (next === REJECT) {
        node = ends[node];
        continue;
      }
      path[depth + 1] = next;
      const token = tokens[node++];
      if (token < 0) continue;
      if (count === this.tokens.length) {
        this.tokens = grown(this.tokens, 2 * count);
        this.states = grown(this.states, 2 * count);
      }
      this.tokens[count] = token;
      this.states[count++] = next;
    }
    return count;
  }
}

class LexemeTable implements ByteTable {
  transitions: Int32Array = new Int32Array(64 * 256).fill(UNKNOWN);
  readonly #lexeme: Lexeme;

  constructor(lexeme: Lexeme) {
    this.#lexeme = lexeme;
  }

  /** A walk begins at a state that has a row, and so comes only to such. */
  reserve(state: number): number {
    while (state << 8 >= this.transitions.length) {
      const { length } = this.transitions;
      this.transitions = grown(this.transitions, 2 * length).fill(UNKNOWN, length);
    }
    return state;
  }

  step(state: number, byte: number): number {
    const next = this.reserve(this.#lexeme.step(state, byte));
    return (this.transitions[(state << 8) | byte] = next);
  }
}

/** The tokens that stay within a language from one of its states on, by the state they lead to and the characters they have. */
interface Inside {
  readonly mask: Int32Array;
  readonly tokens: Int32Array;
  /** Of each token, the index of its end. */
  readonly endOf: Int32Array;
  readonly ends: readonly { readonly at: number; readonly chars: number }[];
}

/** A mask, and the trie of the tokens that are not in it. */
export interface Slice {
  readonly mask: Int32Array;
  readonly others: TokenTrie;
}

const MAX_NAMED = 64;

export class Slices {
  readonly #vocabulary: Vocabulary;
  readonly #walker: Walker;
  readonly #anyText: Inside;
  readonly #inside = new WeakMap<Dfa, Map<number, Inside>>();
  readonly #tables = new WeakMap<Dfa, { readonly lexeme: TextLexeme; readonly table: LexemeTable }>();
  readonly #named = new Map<string, Slice>();

  constructor(vocabulary: Vocabulary, walker: Walker) {
    this.#vocabulary = vocabulary;
    this.#walker = walker;
    this.#anyText = this.#insideAny();
  }

  /** Plain tokens that stay within the string that `place` is in. */
  within({ text, at, length }: TextPlace): Int32Array {
    const { mask, tokens, endOf, ends } = text.isUnbounded && text.dfa !== null && isUniversal(text.dfa, at) ? this.#anyText : this.#insideOf(text.dfa, at);
    if (text.isUnbounded) return mask;
    const live = ends.map((end) => text.isLive(text.dfa === null || isAbsorbing(text.dfa, at) ? at : end.at, length + end.chars));
    if (live.every(Boolean)) return mask;
    const out = this.#vocabulary.newMask();
    for (let i = 0; i < tokens.length; i++) if (live[endOf[i]]) this.#vocabulary.allow(out, tokens[i]);
    return out;
  }

  /** Tokens that stay within a text that many grammars share. */
  named(text: TextLexeme, at: number): Slice {
    const key = `${at} ${text.name}`;
    let slice = this.#named.get(key);
    if (slice === undefined) {
      if (this.#named.size >= MAX_NAMED) this.#named.clear();
      const mask = this.#nameMask(text, at);
      this.#named.set(key, (slice = { mask, others: this.#vocabulary.trieWithout(mask) }));
    }
    return slice;
  }

  /** Where the first byte leads to the same state as at the beginning, so does the rest. */
  #nameMask(text: TextLexeme, at: number): Int32Array {
    const { trie } = this.#vocabulary;
    const table = new LexemeTable(text);
    const [start, state] = [table.reserve(text.border(0)), table.reserve(text.border(at))];
    const mask = at === 0 ? this.#vocabulary.newMask() : this.named(text, 0).mask.slice();
    for (let node = 0; node < trie.bytes.length; node = trie.ends[node]) {
      const byte = trie.bytes[node];
      if (at !== 0 && table.step(start, byte) === table.step(state, byte)) continue;
      for (let i = node; i < trie.ends[node]; i++) if (trie.tokens[i] >= 0) this.#vocabulary.allow(mask, trie.tokens[i], false);
      const count = this.#walker.walk(trie, table, state, node, trie.ends[node]);
      for (let i = 0; i < count; i++) this.#vocabulary.allow(mask, this.#walker.tokens[i]);
    }
    return mask;
  }

  #insideOf(dfa: Dfa | null, at: number): Inside {
    if (dfa === null || isAbsorbing(dfa, at)) return this.#anyText;
    let byState = this.#inside.get(dfa);
    if (byState === undefined) this.#inside.set(dfa, (byState = new Map()));
    let inside = byState.get(at);
    if (inside === undefined) byState.set(at, (inside = this.#find(dfa, at)));
    return inside;
  }

  #insideAny(): Inside {
    const { plain, plainChars } = this.#vocabulary;
    const tokens = plain.tokens.filter((token) => token >= 0);
    return this.#group(tokens, (i) => ({ at: 0, chars: plainChars[tokens[i]] }));
  }

  #find(dfa: Dfa, at: number): Inside {
    let walked = this.#tables.get(dfa);
    if (walked === undefined) {
      const lexeme = new TextLexeme({ kind: 'text', quoted: false, dfa, min: 0, max: Infinity, except: [] });
      this.#tables.set(dfa, (walked = { lexeme, table: new LexemeTable(lexeme) }));
    }
    const { lexeme, table } = walked;
    const walker = this.#walker;
    const count = walker.walk(this.#vocabulary.plain, table, table.reserve(lexeme.border(at)));
    const { states } = walker;
    const tokens = walker.tokens.slice(0, count);
    return this.#group(tokens, (i) => ({ at: lexeme.place(states[i])?.at ?? 0, chars: this.#vocabulary.plainChars[tokens[i]] }));
  }

  #group(tokens: Int32Array, endAt: (i: number) => { at: number; chars: number }): Inside {
    const mask = this.#vocabulary.newMask();
    const ends: { at: number; chars: number }[] = [];
    const indexOf = new Map<number, number>();
    const endOf = tokens.map((token, i) => {
      this.#vocabulary.allow(mask, token);
      const end = endAt(i);
      const key = end.at * 0x10000 + end.chars;
      let index = indexOf.get(key);
      if (index === undefined) indexOf.set(key, (index = ends.push(end) - 1));
      return index;
    });
    return { mask, tokens, endOf, ends };
  }
}
