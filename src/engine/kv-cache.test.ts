import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockPool, hashBlock, ROOT, type BlockHash, type ChainLink } from './kv-cache.ts';

const five: BlockHash = (...block) => hashBlock(...block) % 5;
const same: BlockHash = () => 0;

/** A request as the pool sees it. */
interface Sequence {
  readonly key: string;
  readonly tokens: number[];
  readonly blocks: number[];
  chain: ChainLink;
  numPublished: number;
}

/** Users of a pool who write into each of their blocks all that led to it: what a match returns must hold the right thing. */
class Users {
  readonly pool: BlockPool;
  readonly sequences: Sequence[] = [];
  private readonly contents: string[] = [];

  constructor(pool: BlockPool) {
    this.pool = pool;
  }

  private content(key: string, tokens: readonly number[], block: number): string {
    return `${key}:${tokens.slice(0, (block + 1) * this.pool.blockSize).join()}`;
  }

  start(key: string, tokens: number[]): Sequence | null {
    const { pool } = this;
    const blocks = pool.match(tokens, tokens.length, key);
    blocks.forEach((block, i) => expect(this.contents[block]).toBe(this.content(key, tokens, i)));
    if (pool.blocksFor(tokens.length) - blocks.length > pool.numAvailable) {
      pool.release(blocks);
      return null;
    }
    const numPublished = blocks.length;
    const chain = numPublished > 0 ? pool.linkTo(blocks[numPublished - 1]) : ROOT;
    while (blocks.length < pool.blocksFor(tokens.length)) {
      const block = pool.allocate();
      this.contents[block] = this.content(key, tokens, blocks.length);
      blocks.push(block);
    }
    const sequence = { key, tokens, blocks, chain, numPublished };
    this.sequences.push(sequence);
    return sequence;
  }

  publish(sequence: Sequence): void {
    const { blockSize } = this.pool;
    while ((sequence.numPublished + 1) * blockSize <= sequence.tokens.length) {
      const i = sequence.numPublished++;
      sequence.chain = this.pool.publish(sequence.blocks[i], sequence.chain, sequence.tokens, i * blockSize, sequence.key);
    }
  }

  end(sequence: Sequence): void {
    this.pool.release(sequence.blocks);
    this.sequences.splice(this.sequences.indexOf(sequence), 1);
  }

  check(): void {
    const held = new Set(this.sequences.flatMap(({ blocks }) => blocks));
    const { free, cached, used } = this.pool.count();
    expect(used).toBe(held.size);
    expect(this.pool.numUsed).toBe(held.size);
    expect(free + cached).toBe(this.pool.numAvailable);
  }
}

const operation = fc.oneof(
  fc.record({ kind: fc.constant('start' as const), key: fc.constantFrom('a', 'b'), tokens: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 9 }) }),
  fc.record({ kind: fc.constantFrom('publish' as const, 'end' as const), which: fc.nat(20) }),
);

describe.each([
  ['the hash', hashBlock],
  ['a hash of five values', five],
  ['a hash of one value', same],
])('with %s', (_, hash) => {
  test('a match holds exactly the prefix, and no block is lost', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 3, max: 12 }), (operations, blockSize, numBlocks) => {
        const users = new Users(new BlockPool(numBlocks, blockSize, hash));
        for (const step of operations) {
          const sequence = step.kind === 'start' ? undefined : users.sequences[step.which % users.sequences.length];
          if (step.kind === 'start') users.start(step.key, step.tokens);
          else if (sequence !== undefined && step.kind === 'publish') users.publish(sequence);
          else if (sequence !== undefined) users.end(sequence);
          users.check();
        }
        while (users.sequences.length > 0) users.end(users.sequences[0]);
        expect(users.pool.count().used).toBe(0);
      }),
      { numRuns: 1500 },
    );
  });

  test('what was published is found again', () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), tokens), { maxLength: 8 }), (prompts) => {
        const users = new Users(new BlockPool(200, 2, hash));
        for (const [key, prompt] of prompts) users.publish(users.start(key, prompt)!);
        while (users.sequences.length > 0) users.end(users.sequences[0]);
        for (const [key, prompt] of prompts) {
          expect(users.pool.match(prompt, prompt.length, key)).toHaveLength(Math.floor(prompt.length / 2));
        }
      }),
    );
  });
});

const publishAll = (pool: BlockPool, tokens: number[], key = ''): number[] => {
  const users = new Users(pool);
  const sequence = users.start(key, tokens)!;
  users.publish(sequence);
  return sequence.blocks;
};
const numMatched = (pool: BlockPool, tokens: number[], key = ''): number => {
  const blocks = pool.match(tokens, tokens.length, key);
  pool.release(blocks);
  return blocks.length;
};

test('blocks of equal tokens under different parents are different', () => {
  const pool = new BlockPool(8, 2, same);
  publishAll(pool, [1, 1, 5, 5]);
  publishAll(pool, [2, 2, 7, 7]);
  expect(numMatched(pool, [2, 2, 5, 5])).toBe(1);
  expect(numMatched(pool, [5, 5])).toBe(0);
});

test('keys keep prefixes apart', () => {
  const pool = new BlockPool(8, 2);
  publishAll(pool, [1, 1, 2, 2], 'a');
  expect(numMatched(pool, [1, 1, 2, 2], 'a')).toBe(2);
  expect(numMatched(pool, [1, 1, 2, 2], 'b')).toBe(0);
});

test('tails are evicted before heads, what was never published before both', () => {
  const pool = new BlockPool(5, 2);
  pool.release(publishAll(pool, [1, 1, 2, 2, 3, 3, 4])); // the last block is not full
  expect(pool.count()).toEqual({ free: 2, cached: 3, used: 0 });
  const taken = [pool.allocate(), pool.allocate()];
  expect(numMatched(pool, [1, 1, 2, 2, 3, 3])).toBe(3);
  taken.push(pool.allocate());
  expect(numMatched(pool, [1, 1, 2, 2, 3, 3])).toBe(2);
  taken.push(pool.allocate());
  expect(numMatched(pool, [1, 1, 2, 2, 3, 3])).toBe(1);
  pool.release(taken);
});

test('a block that was never published is the next to be used', () => {
  const pool = new BlockPool(4, 1);
  pool.release([...publishAll(pool, [1]), ...publishAll(pool, [2])]);
  const block = pool.allocate();
  pool.release([block]);
  expect(pool.allocate()).toBe(block);
});

test('the least recently used prefix is evicted first', () => {
  const pool = new BlockPool(3, 1);
  for (const token of [1, 2, 3]) pool.release(publishAll(pool, [token]));
  expect(numMatched(pool, [1])).toBe(1); // used again
  pool.allocate();
  expect([1, 2, 3].map((token) => numMatched(pool, [token]))).toEqual([1, 0, 1]);
});

test("a twin's children go on from the block that was published before", () => {
  const pool = new BlockPool(8, 1);
  const users = new Users(pool);
  const [first, second] = [users.start('', [1, 2])!, users.start('', [1, 2, 3])!];
  users.publish(first);
  users.publish(second);
  expect(second.blocks).not.toContain(first.blocks[0]);
  expect(pool.match([1, 2, 3], 3, '')).toEqual([first.blocks[0], first.blocks[1], second.blocks[2]]);
});

test('a child is not found through a block that took the number of its parent', () => {
  const pool = new BlockPool(3, 1);
  const parent = pool.allocate();
  const child = pool.allocate();
  const link = pool.publish(parent, ROOT, [1], 0, '');
  pool.publish(child, link, [2], 0, '');
  pool.release([parent]);
  while (pool.numAvailable > 0) {
    const block = pool.allocate();
    if (block === parent) pool.publish(block, ROOT, [1], 0, '');
  }
  expect(pool.match([1, 2], 2, '')).toEqual([parent]);
});

test('nothing is published under a parent that is gone', () => {
  const pool = new BlockPool(2, 1);
  const [parent, child] = [pool.allocate(), pool.allocate()];
  const link = pool.publish(parent, ROOT, [1], 0, '');
  pool.release([parent]);
  expect(pool.allocate()).toBe(parent);
  expect(pool.publish(child, link, [2], 0, '')).toBe(link);
  pool.release([child]);
  expect(pool.count()).toMatchObject({ free: 1, cached: 0 });
});

test('mistakes are errors', () => {
  const pool = new BlockPool(1, 1);
  const block = pool.allocate();
  expect(() => pool.allocate()).toThrow('No block left of 1');
  pool.release([block]);
  expect(() => pool.release([block])).toThrow('Block 0 is released twice');
});
