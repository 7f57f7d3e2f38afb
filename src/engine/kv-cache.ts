/**
 * The block pool and its prefix cache, in numbers only: the keys and values are on the device.
 *
 * A block is *used* (references > 0), *cached* (unreferenced, but published: a later request may find it) or *free*.
 * Unreferenced blocks of both kinds hang in one list, least worth keeping first; allocation takes its head.
 *
 * A full block is published under its parent block and its own tokens, both compared exactly, so the hash may
 * be cheap: a chain of matches means equal prefixes, and nothing else does. Block numbers are reused, so
 * a parent is named with its generation, which rises when the block loses its content.
 */

/** A published block at the time it was published. */
export interface ChainLink {
  readonly block: number;
  readonly generation: number;
}

/** The parent of a request's first block. */
export const ROOT: ChainLink = { block: -1, generation: 0 };

const NONE = -1;

/** Hash of a block's tokens `tokens[start .. start + count)` on a seed made of its parent. */
export type BlockHash = (seed: number, tokens: readonly number[], start: number, count: number) => number;

export const hashBlock: BlockHash = (seed, tokens, start, count) => {
  let hash = seed;
  for (let i = start; i < start + count; i++) {
    hash = Math.imul(hash ^ tokens[i], 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
};

export class BlockPool {
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly #hash: BlockHash;

  readonly #references: Int32Array;
  readonly #generations: Int32Array;
  /** Doubly linked list of unreferenced blocks; entry numBlocks is its sentinel. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  #unreferenced = 0;

  /** What a published block holds. Keys are kept for first blocks only: the others inherit them through the chain. */
  readonly #published: Uint8Array;
  readonly #blockTokens: Int32Array;
  readonly #parents: Int32Array;
  readonly #parentGenerations: Int32Array;
  readonly #keys: string[];
  /** Hash table: first block of each bucket, next block in the same bucket. */
  readonly #buckets: Int32Array;
  readonly #bucketNext: Int32Array;
  readonly #bucketOf: Int32Array;

  constructor(numBlocks: number, blockSize: number, hash: BlockHash = hashBlock) {
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
    this.#hash = hash;
    this.#references = new Int32Array(numBlocks);
    this.#generations = new Int32Array(numBlocks);
    this.#next = new Int32Array(numBlocks + 1).fill(numBlocks);
    this.#previous = new Int32Array(numBlocks + 1).fill(numBlocks);
    this.#published = new Uint8Array(numBlocks);
    this.#blockTokens = new Int32Array(numBlocks * blockSize);
    this.#parents = new Int32Array(numBlocks);
    this.#parentGenerations = new Int32Array(numBlocks);
    this.#keys = Array.from({ length: numBlocks }, () => '');
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(numBlocks + 1))).fill(NONE);
    this.#bucketNext = new Int32Array(numBlocks).fill(NONE);
    this.#bucketOf = new Int32Array(numBlocks);
    for (let block = 0; block < numBlocks; block++) this.#link(block, this.#previous[numBlocks]);
  }

  /** Blocks that can be allocated now. */
  get numAvailable(): number {
    return this.#unreferenced;
  }

  get numUsed(): number {
    return this.numBlocks - this.#unreferenced;
  }

  blocksFor(numTokens: number): number {
    return Math.ceil(numTokens / this.blockSize);
  }

  /** Takes the block least worth keeping; what it held is forgotten. */
  allocate(): number {
    const block = this.#next[this.numBlocks];
    if (block === this.numBlocks) throw new Error(`No block left of ${this.numBlocks}`);
    this.#unlink(block);
    if (this.#published[block]) this.#unpublish(block);
    this.#references[block] = 1;
    return block;
  }

  /** Gives up one reference to each of a request's blocks: the last first, so that tails are evicted before heads. */
  release(blocks: readonly number[]): void {
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i];
      if (this.#references[block] === 0) throw new Error(`Block ${block} is released twice`);
      if (--this.#references[block] > 0) continue;
      // Nothing can be found in an unpublished block: it is the first to be used again.
      this.#link(block, this.#published[block] ? this.#previous[this.numBlocks] : this.numBlocks);
    }
  }

  /** The published blocks that hold the longest prefix of the first `numTokens` tokens; a reference is taken to each. */
  match(tokens: readonly number[], numTokens: number, key: string): number[] {
    const blocks: number[] = [];
    let parent = ROOT;
    for (let start = 0; start + this.blockSize <= numTokens; start += this.blockSize) {
      const block = this.#find(this.#bucket(parent, tokens, start, key), parent, tokens, start, key);
      if (block === NONE) break;
      if (this.#references[block]++ === 0) this.#unlink(block);
      blocks.push(block);
      parent = this.linkTo(block);
    }
    return blocks;
  }

  linkTo(block: number): ChainLink {
    return { block, generation: this.#generations[block] };
  }

  /**
   * Lets others find a used, full block that holds tokens[start .. start + blockSize). Returns the link for its
   * children: a twin that was published before keeps the place, so that both chains go on as one.
   */
  publish(block: number, parent: ChainLink, tokens: readonly number[], start: number, key: string): ChainLink {
    const parentIsGone = parent.block !== NONE && this.#generations[parent.block] !== parent.generation;
    if (parentIsGone) return parent; // nobody could reach the block through it
    const bucket = this.#bucket(parent, tokens, start, key);
    const twin = this.#find(bucket, parent, tokens, start, key);
    if (twin !== NONE) return this.linkTo(twin);
    this.#published[block] = 1;
    for (let i = 0; i < this.blockSize; i++) this.#blockTokens[block * this.blockSize + i] = tokens[start + i];
    this.#parents[block] = parent.block;
    this.#parentGenerations[block] = parent.generation;
    this.#keys[block] = parent.block === NONE ? key : '';
    this.#bucketOf[block] = bucket;
    this.#bucketNext[block] = this.#buckets[bucket];
    this.#buckets[bucket] = block;
    return this.linkTo(block);
  }

  /** Walks the pool: free + cached + used = all, or an error that says what does not add up. */
  count(): { free: number; cached: number; used: number } {
    let [free, cached, used] = [0, 0, 0];
    for (let block = this.#next[this.numBlocks]; block !== this.numBlocks; block = this.#next[block]) {
      if (this.#references[block] !== 0) throw new Error(`Block ${block} is in the list with ${this.#references[block]} references`);
      if (this.#published[block]) cached++;
      else free++;
    }
    for (const references of this.#references) if (references > 0) used++;
    if (free + cached !== this.#unreferenced || free + cached + used !== this.numBlocks) {
      throw new Error(`Blocks leak: ${free} free + ${cached} cached + ${used} used of ${this.numBlocks}`);
    }
    return { free, cached, used };
  }

  #bucket(parent: ChainLink, tokens: readonly number[], start: number, key: string): number {
    let seed = Math.imul(parent.block + 1, 0x85ebca6b) ^ parent.generation;
    if (parent.block === NONE) for (let i = 0; i < key.length; i++) seed = Math.imul(seed ^ key.charCodeAt(i), 0x01000193);
    const hash = this.#hash(seed, tokens, start, this.blockSize);
    return (hash ^ (hash >>> 16)) & (this.#buckets.length - 1);
  }

  #find(bucket: number, parent: ChainLink, tokens: readonly number[], start: number, key: string): number {
    let block = this.#buckets[bucket];
    while (block !== NONE && !this.#holds(block, parent, tokens, start, key)) block = this.#bucketNext[block];
    return block;
  }

  #holds(block: number, parent: ChainLink, tokens: readonly number[], start: number, key: string): boolean {
    if (this.#parents[block] !== parent.block || this.#parentGenerations[block] !== parent.generation) return false;
    if (parent.block === NONE && this.#keys[block] !== key) return false;
    const offset = block * this.blockSize;
    for (let i = 0; i < this.blockSize; i++) if (this.#blockTokens[offset + i] !== tokens[start + i]) return false;
    return true;
  }

  #unpublish(block: number): void {
    const bucket = this.#bucketOf[block];
    if (this.#buckets[bucket] === block) this.#buckets[bucket] = this.#bucketNext[block];
    else {
      let before = this.#buckets[bucket];
      while (this.#bucketNext[before] !== block) before = this.#bucketNext[before];
      this.#bucketNext[before] = this.#bucketNext[block];
    }
    this.#published[block] = 0;
    this.#generations[block]++;
  }

  #link(block: number, after: number): void {
    const before = this.#next[after];
    this.#previous[block] = after;
    this.#next[block] = before;
    this.#next[after] = block;
    this.#previous[before] = block;
    this.#unreferenced++;
  }

  #unlink(block: number): void {
    this.#next[this.#previous[block]] = this.#next[block];
    this.#previous[this.#next[block]] = this.#previous[block];
    this.#unreferenced--;
  }
}
