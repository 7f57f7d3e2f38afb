/** One sequence through a model, without the engine: for measurements that want every position's logits. */
import type { StepInputs, Tensor } from '../backend/backend.ts';
import type { Model } from '../model/transformer.ts';

export class Sequence {
  readonly #model: Model;
  /** The length the sequence may grow to; longrope chooses its factors by it. */
  readonly #length: number;
  readonly #inputs: Omit<StepInputs, 'size'>;
  readonly #gather: Tensor;
  #computed = 0;

  constructor(model: Model, length: number) {
    const { backend, cache, maxStepTokens, maxStepEntries } = model;
    if (length > model.maxPositions) throw new RangeError(`a sequence of ${length} tokens; the model holds ${model.maxPositions}`);
    this.#model = model;
    this.#length = length;
    const blocks = Math.ceil(length / cache.blockSize);
    this.#inputs = {
      row: backend.allocate('i32', maxStepTokens),
      position: backend.allocate('i32', maxStepTokens),
      ropeRow: backend.allocate('i32', maxStepTokens),
      tokens: backend.allocate('i32', length + 1),
      tokensPerRow: length + 1,
      blockTables: backend.allocate('i32', blocks),
      blocksPerRow: blocks,
    };
    this.#gather = backend.allocate('i32', maxStepEntries);
    backend.write(this.#inputs.blockTables, Int32Array.from({ length: blocks }, (_, i) => i));
  }

  /** Appends tokens and gives the logits after each of them: f32 [tokens, V]. */
  feed(tokens: ArrayLike<number>): Float32Array {
    const { backend, config, maxStepTokens, maxStepEntries } = this.#model;
    const V = config.vocabSize;
    const chunk = Math.min(maxStepTokens, maxStepEntries);
    const out = new Float32Array(tokens.length * V);
    for (let start = 0; start < tokens.length; start += chunk) {
      const size = Math.min(chunk, tokens.length - start);
      const positions = Int32Array.from({ length: size }, (_, i) => this.#computed + i);
      backend.write(this.#inputs.tokens, Int32Array.from({ length: size }, (_, i) => tokens[start + i]), this.#computed);
      backend.write(this.#inputs.row, new Int32Array(size));
      backend.write(this.#inputs.position, positions);
      backend.write(this.#inputs.ropeRow, positions.map((p) => this.#model.ropeRow(p, this.#length)));
      backend.write(this.#gather, Int32Array.from({ length: size }, (_, i) => i));
      this.#model.forward({ ...this.#inputs, size });
      backend.read(this.#model.logits(this.#gather, size), out.subarray(start * V, (start + size) * V));
      this.#computed += size;
    }
    return out;
  }

  close(): void {
    const { row, position, ropeRow, tokens, blockTables } = this.#inputs;
    for (const tensor of [row, position, ropeRow, tokens, blockTables, this.#gather]) this.#model.backend.free(tensor);
  }
}
