/** A vocabulary of any size with the make-up of a real byte-level one, for timing masks where no such tokenizer is at hand. */
import type { VocabularySource } from '../grammar/trie.ts';

/** How many tokens of each kind, in hundredths: as counted in byte-level vocabularies of 128k. */
const WITH_SPACE = 42;
const PLAIN = 34;
const CAPITAL = 8;
const FOREIGN = 10;

const SYLLABLES = 'a e i o u an en in on er ar or al el il ing tion ment con pre pro re de un st tr ch sh th br gr pl cl ly ness able ist ism ic ous ive ate ize pe ta ko mi no ra si lu va do ge fa by'.split(' ');
const LETTERS = ['абвгдежзиклмнопрстуфхцчшщыэюя', 'αβγδεζηθικλμνξοπρστυφχψω', 'अआइईउकखगचजटडतदनपबमयरलवसह', '的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年', 'ابتثجحخدذرزسشصضطظعغفقكلمنهوي'].map((script) => Array.from(script));
const PUNCTUATION = Array.from('{}[]()<>:;,.!?\'"`/\\|@#$%^&*-_=+~ \n\t');

function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export interface SyntheticVocabulary extends VocabularySource {
  encode(text: string): number[];
}

/** Id 0 is the end of text. Encoding takes the longest token each time. */
export function syntheticVocabulary(size: number): SyntheticVocabulary {
  const random = randomNumbers(17);
  const utf8 = new TextEncoder();
  const pick = <T>(list: readonly T[]): T => list[random(list.length)];
  const repeat = (most: number, make: () => string): string => Array.from({ length: 1 + random(most) }, make).join('');
  const word = (): string => repeat(4, () => pick(SYLLABLES));
  const spelled: Uint8Array[] = [utf8.encode('<|end|>'), ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))];
  const ids = new Map(spelled.map((bytes, id) => [String.fromCharCode(...bytes), id]));
  const add = (text: string): void => {
    const bytes = utf8.encode(text);
    const key = String.fromCharCode(...bytes);
    if (ids.has(key) || spelled.length >= size) return;
    ids.set(key, spelled.length);
    spelled.push(bytes);
  };
  for (let n = 0; n < 1000; n++) add(String(n));
  for (let n = 2; n <= 80; n++) add(' '.repeat(n));
  for (const structure of ['{"', '":', '": "', '": ', '", "', '","', '"},', '"}', '":{"', '":"', '":["', '"],"', '"]', '},{"', '{\n', '",\n', '[\n', ',\n', '}\n', '\\n', '\\"']) add(structure);
  while (spelled.length < size) {
    const kind = random(100);
    if (kind < WITH_SPACE) add(` ${word()}`);
    else if (kind < WITH_SPACE + PLAIN) add(word());
    else if (kind < WITH_SPACE + PLAIN + CAPITAL) add(word().replace(/^./, (letter) => letter.toUpperCase()));
    else if (kind < WITH_SPACE + PLAIN + CAPITAL + FOREIGN) {
      const script = pick(LETTERS);
      add(`${random(3) === 0 ? ' ' : ''}${repeat(4, () => pick(script))}`);
    } else add(`${random(3) === 0 ? word() : ''}${repeat(4, () => pick(PUNCTUATION))}`);
  }
  const longest = spelled.reduce((most, { length }) => Math.max(most, length), 0);
  return {
    vocabSize: size,
    tokenBytes: (token) => spelled[token],
    isSpecial: (token) => token === 0,
    encode: (text) => {
      const bytes = String.fromCharCode(...utf8.encode(text));
      const tokens: number[] = [];
      for (let at = 0; at < bytes.length; ) {
        let length = Math.min(longest, bytes.length - at);
        while (!ids.has(bytes.slice(at, at + length))) length--;
        tokens.push(ids.get(bytes.slice(at, at + length)) as number);
        at += length;
      }
      return tokens;
    },
  };
}
