/** Regex syntax tree → nondeterministic automaton → the deterministic one of dfa.ts. */
import { ANY_CHAR } from './charset.ts';
import type { CharSet } from './charset.ts';
import { buildDfa, complementDfa, intersectDfa } from './dfa.ts';
import type { Dfa } from './dfa.ts';
import { BudgetError } from './error.ts';
import { RegexError, parseRegex } from './regex.ts';
import type { RegexNode } from './regex.ts';

const MAX_NFA_STATES = 20_000;

/** Edges of one state: by characters, by nothing, and by nothing at the text's start or end only. */
interface State {
  set: CharSet | null;
  target: number;
  readonly free: number[];
  readonly atStart: number[];
  readonly atEnd: number[];
}

class Nfa {
  readonly states: State[] = [];

  add(): number {
    if (this.states.length >= MAX_NFA_STATES) throw new BudgetError('the pattern is too large');
    this.states.push({ set: null, target: -1, free: [], atStart: [], atEnd: [] });
    return this.states.length - 1;
  }

  /** Builds `node` from state `from`; returns the state it ends in. */
  build(node: RegexNode, from: number): number {
    switch (node.kind) {
      case 'chars': {
        const source = this.add();
        this.states[from].free.push(source);
        this.states[source].set = node.set;
        return (this.states[source].target = this.add());
      }
      case 'sequence':
        return node.parts.reduce((at, part) => this.build(part, at), from);
      case 'choice': {
        const end = this.add();
        for (const option of node.options) this.states[this.build(option, from)].free.push(end);
        return end;
      }
      case 'repeat':
        return this.#repeat(node.body, node.min, node.max, from);
      case 'start':
      case 'end': {
        const end = this.add();
        (node.kind === 'start' ? this.states[from].atStart : this.states[from].atEnd).push(end);
        return end;
      }
      case 'ahead':
        throw new RegexError('look-ahead is supported at the beginning of an anchored pattern only');
    }
  }

  #repeat(body: RegexNode, min: number, max: number, from: number): number {
    let at = this.add();
    this.states[from].free.push(at);
    for (let i = 0; i < min; i++) at = this.build(body, at);
    if (max === Infinity) {
      const loop = this.add();
      this.states[at].free.push(loop);
      this.states[this.build(body, loop)].free.push(loop);
      const end = this.add();
      this.states[loop].free.push(end);
      return end;
    }
    const end = this.add();
    for (let i = min; i < max; i++) {
      this.states[at].free.push(end);
      at = this.build(body, at);
    }
    this.states[at].free.push(end);
    return end;
  }

  /** Every state reached without a character, in order. */
  closure(kernel: Iterable<number>, atStart: boolean, atEnd: boolean): number[] {
    const seen = new Set(kernel);
    for (const state of seen) {
      const { free, atStart: starts, atEnd: ends } = this.states[state];
      for (const next of free) seen.add(next);
      if (atStart) for (const next of starts) seen.add(next);
      if (atEnd) for (const next of ends) seen.add(next);
    }
    return Array.from(seen).sort((a, b) => a - b);
  }
}

export interface RegexOptions {
  /** The whole text must match, as if the pattern stood between ^ and $; otherwise a match anywhere will do. */
  readonly whole: boolean;
}

/** Null where nothing matches. Throws RegexError or BudgetError. */
export function regexDfa(pattern: string, options: RegexOptions): Dfa | null {
  const { ahead, rest } = splitLookAhead(parseRegex(pattern), options.whole);
  let dfa = treeDfa(rest, options.whole);
  for (const { body, negative } of ahead) {
    const start: RegexNode = { kind: 'sequence', parts: [{ kind: 'start' }, body] };
    const matching = treeDfa(start, false);
    const wanted = negative ? complementDfa(matching) : matching;
    dfa = dfa === null || wanted === null ? null : intersectDfa(dfa, wanted);
  }
  return dfa;
}

/** `^(?=…)(?!…)rest`: the look-aheads are conditions on the whole text. */
function splitLookAhead(tree: RegexNode, whole: boolean): { ahead: Extract<RegexNode, { kind: 'ahead' }>[]; rest: RegexNode } {
  if (tree.kind !== 'sequence') return { ahead: [], rest: tree };
  const anchored = tree.parts[0]?.kind === 'start';
  const first = anchored ? 1 : 0;
  if (!anchored && !whole) return { ahead: [], rest: tree };
  const ahead: Extract<RegexNode, { kind: 'ahead' }>[] = [];
  let at = first;
  for (let part = tree.parts[at]; part !== undefined && part.kind === 'ahead'; part = tree.parts[++at]) ahead.push(part);
  return { ahead, rest: { kind: 'sequence', parts: [...tree.parts.slice(0, first), ...tree.parts.slice(at)] } };
}

export function treeDfa(tree: RegexNode, whole: boolean): Dfa | null {
  const nfa = new Nfa();
  const start = nfa.add();
  const end = nfa.build(tree, start);
  const initial = [start];
  /** Takes every character once the end was reached: a text that has matched goes on matching. */
  const tail = whole ? -1 : nfa.add();
  if (!whole) {
    const search = nfa.add();
    initial.push(search);
    for (const loop of [search, tail]) {
      nfa.states[loop].set = ANY_CHAR;
      nfa.states[loop].target = loop;
    }
    nfa.states[search].free.push(start);
    nfa.states[end].free.push(tail);
  }
  const sets = nfa.states.flatMap(({ set }) => (set === null ? [] : [set]));
  const matters = (state: number): boolean => state === end || nfa.states[state].set !== null || nfa.states[state].atEnd.length > 0;
  const closed = new Map<number, readonly number[]>();
  const closureOf = (state: number): readonly number[] => {
    let states = closed.get(state);
    if (states === undefined) closed.set(state, (states = nfa.closure([state], false, false).filter(matters)));
    return states;
  };
  const endsMatter = nfa.states.some(({ atEnd }) => atEnd.length > 0);
  const seenIn = new Int32Array(nfa.states.length);
  let round = 0;
  return buildDfa(sets, {
    start: nfa.closure(initial, true, false).filter(matters),
    accepts: (states, first) => states.includes(tail) || states.includes(end) || ((first || endsMatter) && nfa.closure(states, first, true).includes(end)),
    step: (states, char) => {
      const next: number[] = [];
      round++;
      for (const state of states) {
        const { set, target } = nfa.states[state];
        if (set === null || !inSet(set, char)) continue;
        for (const reached of closureOf(target)) {
          if (seenIn[reached] === round) continue;
          seenIn[reached] = round;
          next.push(reached);
        }
      }
      return next.length < 2 ? next : next.sort((x, y) => x - y);
    },
  });
}

function inSet(set: CharSet, char: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (char <= set[i + 1]) return char >= set[i];
  return false;
}
