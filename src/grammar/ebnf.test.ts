import { expect, test } from 'vitest';
import { reader } from '../../test/support/grammar.ts';
import { compileGrammar } from './compile.ts';
import { GrammarError } from './error.ts';

const ebnf = (text: string): ((text: string) => boolean) => reader(compileGrammar({ kind: 'ebnf', text }));

const ARITHMETIC = `
# sums and products
root  ::= sum
sum   ::= term (("+" | "-") term)*
term  ::= factor
        | factor "*" term   # on the right
factor ::= [0-9]+ | "(" sum ")"
`;

test('rules, groups, remarks, alternatives on the next line', () => {
  const sums = ebnf(ARITHMETIC);
  for (const text of ['1', '12+3*4', '((1))*(2-3)']) expect(sums(text), text).toBe(true);
  for (const text of ['', '1+', '(1', 'a', '1)']) expect(sums(text), text).toBe(false);
});

test('repetitions, classes and escapes', () => {
  const words = ebnf('root ::= item{2,3} "\\n"? [^a-z\\]] .\nitem ::= [a-c-] | "\\u00e9" | "\\x41"');
  for (const text of ['a-Zx', 'éAc\n]?'.replace(']', '['), 'aa\n1😀']) expect(words(text), text).toBe(true);
  for (const text of ['aZx', 'aaaaZx', 'aa]x', 'aazx']) expect(words(text), text).toBe(false);
});

test.each([
  ['item ::= "a"', 'root'],
  ['root ::= item', 'item'],
  ['root ::= root "a" | "b"', 'root'],
  ['root ::= a "x"\na ::= b? root\nb ::= "b"', 'root'],
  ['root ::= "a" root', 'root'],
])('refuses %j', (text, keyword) => {
  expect(() => ebnf(text)).toThrow(GrammarError);
  try {
    ebnf(text);
  } catch (error) {
    expect((error as Error).message).toContain(keyword);
  }
});

test.each(['root ::= "a', 'root ::= (', 'root "a"', 'root ::= [z-a]', 'root ::= "a"{3,1}', 'root ::= "\\q"', `root ::= ${'('.repeat(5000)}`, 'root ::= *'])('refuses %j with its line', (text) => {
  expect(() => ebnf(text)).toThrow(/line 1/);
});

test('an alternative that can never be completed is not offered', () => {
  const texts = ebnf('root ::= "a" | "b" endless\nendless ::= "c" endless');
  expect(texts('a')).toBe(true);
  expect(texts('b')).toBe(false);
});
