import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { complementDfa, intersectDfa, matchesDfa, subtractDfa, uniteDfa } from './dfa.ts';
import { regexDfa } from './nfa.ts';
import { RegexError } from './regex.ts';

const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: 'medium', maxDepth: 4 },
    fc.constantFrom('a', 'b', 'é', '.', '\\d', '\\w', '[a-c]', '[^b]', '\\s', '[\\d-]', '\\u0061', '[😀-😂]'),
    fc.constantFrom('^', '$', ''),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(${a}|${b})`),
    fc.tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,}', '*?')).map(([a, b]) => `(?:${a})${b}`),
  ),
}));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '\n', 'é', '😀', '-'), maxLength: 8 });

test('matches what the host matches', () => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 10 }), (source, texts) => {
      const host = new RegExp(source, 'u');
      const dfa = regexDfa(source, { whole: false });
      for (const each of texts) expect(matchesDfa(dfa, each), JSON.stringify(each)).toBe(host.test(each));
      const whole = regexDfa(source, { whole: true });
      const hostWhole = new RegExp(`^(?:${source})$`, 'u');
      for (const each of texts) expect(matchesDfa(whole, each), JSON.stringify(each)).toBe(hostWhole.test(each));
    }),
    { numRuns: 400 },
  );
});

test('intersection, union, difference and complement are those of the sets', () => {
  fc.assert(
    fc.property(pattern, pattern, fc.array(text, { minLength: 5, maxLength: 10 }), (first, second, texts) => {
      const [a, b] = [regexDfa(first, { whole: false }), regexDfa(second, { whole: false })];
      for (const each of texts) {
        const [inA, inB] = [matchesDfa(a, each), matchesDfa(b, each)];
        expect(matchesDfa(complementDfa(a), each)).toBe(!inA);
        if (a === null || b === null) continue;
        expect(matchesDfa(intersectDfa(a, b), each)).toBe(inA && inB);
        expect(matchesDfa(uniteDfa(a, b), each)).toBe(inA || inB);
        expect(matchesDfa(subtractDfa(a, b), each)).toBe(inA && !inB);
      }
    }),
    { numRuns: 150 },
  );
});

test('properties and look-ahead at the beginning', () => {
  const letters = regexDfa('^\\p{Lu}\\p{L}*$', { whole: false });
  expect(matchesDfa(letters, 'Éa')).toBe(true);
  expect(matchesDfa(letters, 'éa')).toBe(false);
  const both = regexDfa('^(?=.*\\d)(?=.*[a-z]).{4,}$', { whole: false });
  for (const [word, fits] of [['abc1', true], ['abcd', false], ['1234', false], ['a1', false]] as const) expect(matchesDfa(both, word), word).toBe(fits);
});

test.each(['(?<=a)b', 'a(?=b)c', '\\1(a)', '\\bx', 'a**', '(', ')', '[a', 'a{3,1}', '\\u12', '\\p{Nonsense}', '(?i)a', '\\'])('refuses %s', (source) => {
  expect(() => regexDfa(source, { whole: false })).toThrow(RegexError);
});
