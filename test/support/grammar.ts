/** Reads text through a grammar byte by byte. */
import { Automaton, REJECT } from '../../src/grammar/automaton.ts';
import type { Grammar } from '../../src/grammar/grammar.ts';
import { specialBytes } from '../../src/grammar/trie.ts';

const utf8 = new TextEncoder();

/** `special`: texts that stand for special tokens. */
export function reader(grammar: Grammar, special: readonly string[] = []): (text: string) => boolean {
  const automaton = new Automaton(grammar);
  const pieces = special.length === 0 ? /(?!)/u : new RegExp(`(${special.map((text) => text.replaceAll(/[\\|[\]]/gu, '\\$&')).join('|')})`, 'u');
  const bytesOf = (piece: string): Uint8Array => (special.includes(piece) ? specialBytes(utf8.encode(piece)) : utf8.encode(piece));
  return (text) => {
    let state = automaton.start;
    for (const byte of text.split(pieces).flatMap((piece) => [...bytesOf(piece)])) {
      state = automaton.step(state, byte);
      if (state === REJECT) return false;
    }
    return automaton.isAccepting(state);
  };
}

/** Bytes that `random` picks, until the text is complete or `limit` is reached; throws where a state leads nowhere. */
export function randomText(automaton: Automaton, random: (n: number) => number, limit: number): string | null {
  let state = automaton.start;
  const bytes: number[] = [];
  while (bytes.length < limit) {
    const next = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => automaton.step(state, byte) !== REJECT);
    if (automaton.isAccepting(state) && (next.length === 0 || random(4) === 0)) return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
    if (next.length === 0) throw new Error(`a dead end after ${JSON.stringify(String.fromCharCode(...bytes))}`);
    const closing = next.filter((byte) => '"}],:'.includes(String.fromCharCode(byte)));
    const pool = closing.length > 0 && random(3) > 0 ? closing : next;
    const byte = pool[random(pool.length)];
    bytes.push(byte);
    state = automaton.step(state, byte);
  }
  return null;
}
