/** JSON whose text matters, not only its value. */

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Strings, brackets, punctuation, and everything else without white space. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/gu;

/** The tokens of a valid JSON text, as they are written; null where it is not valid. */
export function jsonTokens(text: string): string[] | null {
  return parseJson(text) === undefined ? null : [...text.matchAll(TOKENS)].map(([token]) => token);
}

/** The same JSON with a space behind commas and colons, and no other, as models are trained to write it. */
export function spacedJson(text: string): string {
  const tokens = jsonTokens(text);
  return tokens === null ? text : tokens.map((token) => (token === ',' || token === ':' ? `${token} ` : token)).join('');
}

/** Finds the end of a JSON object whose text is still growing: reads on from `position` of the text that it is shown. */
export class ObjectScanner {
  position = 0;
  #depth = 0;
  #inString = false;

  /** Index behind the closing brace. */
  advance(text: string): number | 'incomplete' | 'malformed' {
    while (this.position < text.length) {
      const character = text[this.position];
      if (this.#inString) {
        if (character === '\\') {
          if (this.position + 1 === text.length) return 'incomplete';
          this.position++;
        } else if (character === '"') this.#inString = false;
      } else if (this.#depth === 0) {
        if (character === '{') this.#depth = 1;
        else if (character.trim() !== '') return 'malformed';
      } else if (character === '"') this.#inString = true;
      else if (character === '{' || character === '[') this.#depth++;
      else if (character === '}' || character === ']') {
        if (--this.#depth === 0) return ++this.position;
      } else if (character === '<') return 'malformed';
      this.position++;
    }
    return 'incomplete';
  }
}

/** The text of a member's value, an object or array, in the text of a valid JSON object; the last member of that name. */
export function memberText(json: string, key: string): string {
  let depth = 0;
  let name = '';
  let start = -1;
  let found = '';
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gu)) {
    if (token.startsWith('"')) {
      if (depth === 1) name = JSON.parse(token) as string;
    } else if (token === '{' || token === '[') {
      if (++depth === 2 && name === key) start = index;
    } else if (--depth === 1 && start >= 0) {
      found = json.slice(start, index + 1);
      start = -1;
    }
  }
  return found;
}
