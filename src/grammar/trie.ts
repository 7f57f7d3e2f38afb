/** A vocabulary as a trie in depth-first order, so that a subtree is a run and skipping it is one jump. */

/** Occurs in no text: a special token's content stands between two of them, so that no text can spell it, nor one special token begin another. */
const MARK = 0xff;
const MAX_TOKEN_BYTES = 0xfff0;

export const specialBytes = (content: Uint8Array): Uint8Array => Uint8Array.of(MARK, ...content, MARK);

/** Text without the marks. */
export const unmarked = (bytes: Uint8Array): Uint8Array => bytes.filter((byte) => byte !== MARK);

export interface TokenTrie {
  /** Per node: its byte, its depth, the node after its subtree, and its token (−1: none). The root is left out. */
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly ends: Int32Array;
  readonly tokens: Int32Array;
  readonly maxDepth: number;
}

interface Entry {
  readonly bytes: Uint8Array;
  readonly token: number;
}

function buildTrie(entries: readonly Entry[]): TokenTrie {
  let nodes = 0;
  let previous = new Uint8Array(0);
  let maxDepth = 0;
  for (const { bytes } of entries) {
    nodes += bytes.length - commonPrefix(previous, bytes);
    previous = bytes as Uint8Array<ArrayBuffer>;
    maxDepth = Math.max(maxDepth, bytes.length);
  }
  const trie = { bytes: new Uint8Array(nodes), depths: new Uint16Array(nodes), ends: new Int32Array(nodes), tokens: new Int32Array(nodes).fill(-1), maxDepth };
  const open: number[] = [];
  let next = 0;
  previous = new Uint8Array(0);
  const closeTo = (depth: number): void => {
    while (open.length > depth) trie.ends[open.pop() as number] = next;
  };
  for (const { bytes, token } of entries) {
    const shared = commonPrefix(previous, bytes);
    closeTo(shared);
    for (let i = shared; i < bytes.length; i++) {
      trie.bytes[next] = bytes[i];
      trie.depths[next] = i;
      open.push(next++);
    }
    trie.tokens[next - 1] = token;
    previous = bytes as Uint8Array<ArrayBuffer>;
  }
  closeTo(0);
  return trie;
}

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

function compareBytes(a: Entry, b: Entry): number {
  const length = Math.min(a.bytes.length, b.bytes.length);
  for (let i = 0; i < length; i++) if (a.bytes[i] !== b.bytes[i]) return a.bytes[i] - b.bytes[i];
  return a.bytes.length - b.bytes.length || a.token - b.token;
}

/** What of a tokenizer a matcher needs. */
export interface VocabularySource {
  readonly vocabSize: number;
  tokenBytes(token: number): Uint8Array;
  isSpecial(token: number): boolean;
  encode?(text: string): number[];
}

const NO_TOKENS = new Int32Array(0);

export class Vocabulary {
  readonly size: number;
  readonly eosTokenIds: readonly number[];
  readonly trie: TokenTrie;
  /** The trie in two: tokens that stay within a JSON string whatever it is, and all others. */
  readonly plain: TokenTrie;
  readonly others: TokenTrie;
  /**
   * The others by what comes after the plain characters they begin with: whatever these are, a string that may be of any length from
   * here on is in the same state after them. The trie holds indices of `tokens`.
   */
  readonly endings: { readonly trie: TokenTrie; readonly tokens: readonly Int32Array[] };
  /** Characters of each plain token; 0 for others. */
  readonly plainChars: Uint16Array;
  /** Tokens with the same bytes as one in the trie: [the one in the trie, the other]. */
  readonly twins: ReadonlyMap<number, readonly number[]>;
  readonly #bytes: (Uint8Array | null)[];
  readonly #encode: ((text: string) => number[]) | null;

  constructor(source: VocabularySource, eosTokenIds: readonly number[]) {
    this.size = source.vocabSize;
    this.eosTokenIds = eosTokenIds;
    this.#encode = source.encode === undefined ? null : (text) => source.encode?.(text) ?? [];
    const ends = new Set(eosTokenIds);
    this.#bytes = Array.from({ length: this.size }, (_, token) => (ends.has(token) ? null : bytesIn(source, token)));
    const all = this.#bytes.flatMap((bytes, token) => (bytes === null ? [] : [{ bytes, token }])).sort(compareBytes);
    const twins = new Map<number, number[]>();
    const entries: Entry[] = [];
    for (const entry of all) {
      const last = entries[entries.length - 1];
      if (last === undefined || last.bytes.length !== entry.bytes.length || commonPrefix(last.bytes, entry.bytes) !== entry.bytes.length) entries.push(entry);
      else twins.set(last.token, [...(twins.get(last.token) ?? []), entry.token]);
    }
    this.twins = twins;
    this.trie = buildTrie(entries);
    this.plainChars = new Uint16Array(this.size);
    for (const { bytes, token } of entries) this.plainChars[token] = plainChars(bytes);
    this.plain = buildTrie(entries.filter(({ token }) => this.plainChars[token] > 0));
    const others = entries.filter(({ token }) => this.plainChars[token] === 0);
    this.others = buildTrie(others);
    this.endings = endingsOf(others);
  }

  /** The trie of the tokens that are not in the mask. */
  trieWithout(mask: Int32Array): TokenTrie {
    const entries: Entry[] = [];
    for (const token of this.trie.tokens) {
      if (token >= 0 && ((mask[token >> 5] >> (token & 31)) & 1) === 0) entries.push({ bytes: this.#bytes[token] as Uint8Array, token });
    }
    return buildTrie(entries);
  }

  /** Words of a mask. */
  get maskLength(): number {
    return Math.ceil(this.size / 32);
  }

  newMask(): Int32Array {
    return new Int32Array(this.maskLength);
  }

  /** Sets or clears the bit of the token, and of those that are spelled like it. */
  allow(mask: Int32Array, token: number, isAllowed = true): void {
    setBit(mask, token, isAllowed);
    const twins = this.twins.get(token);
    if (twins !== undefined) for (const twin of twins) setBit(mask, twin, isAllowed);
  }

  /** A special token's stand between marks (specialBytes). Null for ends of text and ids that spell nothing. */
  bytesOf(token: number): Uint8Array | null {
    return this.#bytes[token] ?? null;
  }

  encode(text: string): number[] | null {
    return this.#encode === null ? null : this.#encode(text);
  }

  /** Is there a token that is spelled just so? */
  has(bytes: Uint8Array): boolean {
    const at = this.#find(bytes);
    return at !== null && this.trie.tokens[at.node - 1] >= 0;
  }

  /** The tokens that begin with these bytes and go on; −1 between them. */
  longer(bytes: Uint8Array): Int32Array {
    const at = this.#find(bytes);
    return at === null ? NO_TOKENS : this.trie.tokens.subarray(at.node, at.end);
  }

  /** The nodes below the one that these bytes lead to, which is just before them. */
  #find(bytes: Uint8Array): { node: number; end: number } | null {
    const { trie } = this;
    let node = 0;
    let end = trie.bytes.length;
    for (let depth = 0; depth < bytes.length; depth++) {
      while (node < end && trie.bytes[node] !== bytes[depth]) node = trie.ends[node];
      if (node >= end) return null;
      end = trie.ends[node];
      node++;
    }
    return { node, end };
  }
}

function setBit(mask: Int32Array, token: number, isSet: boolean): void {
  if (isSet) mask[token >> 5] |= 1 << (token & 31);
  else mask[token >> 5] &= ~(1 << (token & 31));
}

/** Null where no text and no grammar can ask for the token. */
function bytesIn(source: VocabularySource, token: number): Uint8Array | null {
  const bytes = source.tokenBytes(token);
  if (bytes.length === 0 || bytes.length > MAX_TOKEN_BYTES) return null;
  if (source.isSpecial(token)) return specialBytes(bytes);
  return bytes.includes(MARK) ? null : bytes;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function endingsOf(others: readonly Entry[]): Vocabulary['endings'] {
  const byEnding = new Map<string, { bytes: Uint8Array; tokens: number[] }>();
  for (const { bytes, token } of others) {
    const ending = bytes.subarray(plainLength(bytes));
    const key = ending.join();
    const known = byEnding.get(key);
    if (known === undefined) byEnding.set(key, { bytes: ending, tokens: [token] });
    else known.tokens.push(token);
  }
  const all = [...byEnding.values()];
  return { trie: buildTrie(all.map(({ bytes }, token) => ({ bytes, token })).sort(compareBytes)), tokens: all.map(({ tokens }) => Int32Array.from(tokens)) };
}

/** Bytes of the plain characters that a token which is not plain begins with. */
function plainLength(bytes: Uint8Array): number {
  let end = bytes.findIndex((byte) => byte < 0x20 || byte === 0x22 || byte === 0x5c);
  if (end < 0) end = bytes.length;
  for (; end > 0; end--) if (plainChars(bytes.subarray(0, end)) > 0) return end;
  return 0;
}

/** Characters of a token that stays within a JSON string and ends between two of them; 0 for others. */
function plainChars(bytes: Uint8Array): number {
  let chars = 0;
  let ascii = true;
  for (const byte of bytes) {
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return 0;
    if (byte >> 6 !== 2) chars++;
    if (byte > 0x7f) ascii = false;
  }
  if (ascii) return chars;
  try {
    strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return 0;
    throw error;
  }
  return chars;
}
