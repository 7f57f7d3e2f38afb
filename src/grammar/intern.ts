/** Small numbers for pairs and lists of numbers: open-addressed hash tables on typed arrays. */

const HASH = 0x9e3779b1;

/** (a, b) → 0, 1, 2, … in order of first sight. */
export class PairTable {
  first = new Int32Array(1024);
  second = new Int32Array(1024);
  size = 0;
  #slots = new Int32Array(4096).fill(-1);

  id(a: number, b: number): number {
    let slot = this.#slot(a, b);
    const known = this.#slots[slot];
    if (known >= 0) return known;
    if (this.size === this.first.length) {
      this.#grow();
      slot = this.#slot(a, b);
    }
    this.first[this.size] = a;
    this.second[this.size] = b;
    this.#slots[slot] = this.size;
    return this.size++;
  }

  #slot(a: number, b: number): number {
    const mask = this.#slots.length - 1;
    let slot = (Math.imul(Math.imul(a, HASH) ^ (b + 0x7f4a7c15), 0x85ebca6b) >>> 8) & mask;
    for (;;) {
      const id = this.#slots[slot];
      if (id < 0 || (this.first[id] === a && this.second[id] === b)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    this.first = grown(this.first, 2 * this.size);
    this.second = grown(this.second, 2 * this.size);
    this.#slots = new Int32Array(8 * this.size).fill(-1);
    for (let id = 0; id < this.size; id++) this.#slots[this.#slot(this.first[id], this.second[id])] = id;
  }
}

/** Lists of numbers → 0, 1, 2, … */
export class ListTable {
  readonly lists: Int32Array[] = [];
  readonly #buckets = new Map<number, number[]>();

  id(list: Int32Array): number {
    let hash = list.length;
    for (let i = 0; i < list.length; i++) hash = Math.imul(hash ^ list[i], HASH) ^ (hash >>> 15);
    const bucket = this.#buckets.get(hash);
    if (bucket !== undefined) for (const id of bucket) if (equal(this.lists[id], list)) return id;
    const id = this.lists.push(list) - 1;
    if (bucket === undefined) this.#buckets.set(hash, [id]);
    else bucket.push(id);
    return id;
  }
}

function equal(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function grown(array: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(array);
  return larger;
}
