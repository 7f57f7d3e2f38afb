import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PythonArguments, pythonArguments } from './python.ts';

/** JSON of the arguments in front of the closing parenthesis; null where they are malformed or not all there. */
function read(pieces: readonly string[]): string | null {
  const reader = new PythonArguments();
  let text = '';
  let json = '';
  for (const piece of pieces) {
    text += piece;
    json += reader.advance(text);
  }
  return reader.state === 'complete' && reader.position === text.length ? json : null;
}

describe('Python to JSON', () => {
  test.each([
    [')', '{}'],
    ["city='Bern', days = 3)", '{"city": "Bern", "days": 3}'],
    ['a=True,b=False , c=None,)', '{"a": true, "b": false, "c": null}'],
    ['a=true, b=null)', '{"a": true, "b": null}'],
    ['a=5.0, b=-1e-3, c=12345678901234567890)', '{"a": 5.0, "b": -1e-3, "c": 12345678901234567890}'],
    ["a=[], b=[1, [2,],], c=(1, 'x'), d=())", '{"a": [], "b": [1, [2]], "c": [1, "x"], "d": []}'],
    ["a={}, b={'k': {\"l\": [None]}, 'm' : 1,})", '{"a": {}, "b": {"k": {"l": [null]}, "m": 1}}'],
    ["a='it\\'s \"so\"', b=\"it's\\t\\\\\")", '{"a": "it\'s \\"so\\"", "b": "it\'s\\t\\\\"}'],
    ["a='\\x41\\u00e9\\U0001F600', b='\\ud83d\\ude00', c='\\d')", '{"a": "Aé😀", "b": "\\ud83d\\ude00", "c": "\\\\d"}'],
    ["a='Zürich 😀')", '{"a": "Zürich 😀"}'],
  ])('%s', (python, json) => {
    expect(read([python])).toBe(json);
    expect(read(python.split(''))).toBe(json);
    JSON.parse(json);
  });

  test.each(['1)', "'x')", 'a=)', 'a=b)', 'a=1 b=2)', 'a=[1)', "a={1: 2})", "a={'k'})", "a='x)", 'a=1_000)', 'a=+1)', "a='\\xg0')", "a='\n')", 'a==1)', '=1)', "a=f'x')", 'a=[,])', 'a=1,,b=2)'])('malformed: %s', (python) => {
    expect(read([python])).toBeNull();
    expect(read(python.split(''))).toBeNull();
  });
});

describe('JSON to Python', () => {
  test('words, quotes and numbers', () => {
    expect(pythonArguments('{"a": "it\'s \\"so\\" \\\\", "b":[true,null,{"k":2.0}], "c":{}}')).toBe(`a='it\\'s "so" \\\\', b=[True, None, {'k': 2.0}], c={}`);
    expect(pythonArguments('{}')).toBe('');
    expect([pythonArguments('[1]'), pythonArguments('{"a": ')]).toEqual([null, null]);
  });

  test('and back: the same values', () => {
    const key = fc.stringMatching(/^[A-Za-z_]\w{0,8}$/u);
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }), (value) => {
        const json = JSON.stringify(value);
        expect(JSON.parse(read([`${pythonArguments(json)})`]) ?? 'null')).toEqual(JSON.parse(json));
      }),
      { numRuns: 500 },
    );
  });
});
