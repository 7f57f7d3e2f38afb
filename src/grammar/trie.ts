/** A vocabulary as a trie in depth-first order, so that a subtree is a run and skipping it is one jump. */

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

/** Tokens that any state within a JSON string takes while `chars` characters are free, and the trie of all others. */
export interface Slice {
  readonly chars: number;
  readonly mask: Int32Array;
  readonly others: TokenTrie;
}

const SLICE_CHARS = [8, 32];

/** What of a tokenizer a matcher needs. */
export interface VocabularySource {
  readonly vocabSize: number;
  tokenBytes(token: number): Uint8Array;
  isSpecial(token: number): boolean;
  encode?(text: string): number[];
}

export class Vocabulary {
  readonly size: number;
  readonly eosTokenIds: readonly number[];
  readonly trie: TokenTrie;
  /** Largest first. */
  readonly slices: readonly Slice[];
  /** Tokens with the same bytes as one in the trie: [the one in the trie, the other]. */
  readonly twins: ReadonlyMap<number, readonly number[]>;
  readonly #bytes: (Uint8Array | null)[];
  readonly #encode: ((text: string) => number[]) | null;

  constructor(source: VocabularySource, eosTokenIds: readonly number[]) {
    this.size = source.vocabSize;
    this.eosTokenIds = eosTokenIds;
    this.#encode = source.encode === undefined ? null : (text) => source.encode?.(text) ?? [];
    this.#bytes = Array.from({ length: this.size }, (_, token) => {
      const bytes = source.isSpecial(token) || eosTokenIds.includes(token) ? null : source.tokenBytes(token);
      return bytes === null || bytes.length === 0 || bytes.length > 0xffff ? null : bytes;
    });
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
    const lengths = entries.map(({ bytes }) => plainChars(bytes));
    this.slices = SLICE_CHARS.toReversed().map((chars) => {
      const mask = this.newMask();
      const inside = (i: number): boolean => lengths[i] > 0 && lengths[i] <= chars;
      entries.forEach(({ token }, i) => {
        if (inside(i)) this.allow(mask, token);
      });
      return { chars, mask, others: buildTrie(entries.filter((_, i) => !inside(i))) };
    });
  }

  /** Words of a mask. */
  get maskLength(): number {
    return Math.ceil(this.size / 32);
  }

  newMask(): Int32Array {
    return new Int32Array(this.maskLength);
  }

  allow(mask: Int32Array, token: number): void {
    mask[token >> 5] |= 1 << (token & 31);
    const twins = this.twins.get(token);
    if (twins !== undefined) for (const twin of twins) mask[twin >> 5] |= 1 << (twin & 31);
  }

  /** Null for special tokens and ids that spell nothing. */
  bytesOf(token: number): Uint8Array | null {
    return this.#bytes[token] ?? null;
  }

  encode(text: string): number[] | null {
    return this.#encode === null ? null : this.#encode(text);
  }

  /** Does a token begin with these bytes and go on? */
  extends(bytes: Uint8Array): boolean {
    const { trie } = this;
    let node = 0;
    let end = trie.bytes.length;
    for (let depth = 0; depth < bytes.length; depth++) {
      while (node < end && trie.bytes[node] !== bytes[depth]) node = trie.ends[node];
      if (node >= end) return false;
      end = trie.ends[node];
      node++;
    }
    return node < end;
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Characters of a token that stays within a JSON string and ends between two of them; 0 for others. */
function plainChars(bytes: Uint8Array): number {
  let chars = 0;
  for (const byte of bytes) {
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return 0;
    if (byte >> 6 !== 2) chars++;
  }
  try {
    strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return 0;
    throw error;
  }
  return chars;
}
