/** What a checkpoint's config.json says, in one form for every architecture. Sizes in elements, positions in tokens. */
export interface ModelConfig {
  /** As in config.json, e.g. LlamaForCausalLM. */
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKVHeads: number;
  readonly headSize: number;
  readonly activation: 'silu' | 'gelu_tanh';
  readonly normEpsilon: number;
  /** Added to the stored norm weights (Gemma: 1). */
  readonly normOffset: number;
  /** Norms after attention and MLP, before the residual add (Gemma 2). */
  readonly postNorms: boolean;
  readonly qkNorm: boolean;
  /** The checkpoint stores q, k, v and gate, up as one tensor each (Phi-3). */
  readonly fused: boolean;
  readonly embeddingScale: number;
  readonly tiedEmbedding: boolean;
  readonly attentionScale: number;
  /** 0: none. */
  readonly attentionSoftcap: number;
  readonly logitSoftcap: number;
  /** Per layer, tokens seen by attention, the own one included; 0: all. */
  readonly windows: readonly number[];
  readonly rope: RopeConfig;
  readonly maxPositions: number;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | null;
  /** How the weights were quantized; null for a full-precision checkpoint. */
  readonly quantization: QuantizationConfig | null;
}

export interface RopeConfig {
  readonly type: 'default' | 'linear' | 'llama3' | 'longrope' | 'yarn' | 'dynamic';
  readonly theta: number;
  /** Leading elements of a head that are rotated. */
  readonly rotaryDim: number;
  readonly factor: number;
  readonly originalMaxPositions: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly shortFactor: readonly number[];
  readonly longFactor: readonly number[];
  /** Multiplies cosines and sines; null: by the rule of the type. */
  readonly attentionFactor: number | null;
}

/** `quantization_config` of a Tetrad checkpoint. */
export interface QuantizationConfig {
  readonly quant_method: 'tetrad';
  readonly version: 1;
  /** 128, or -1: one group per output channel. */
  readonly group_size: number;
  /** Stored in 4 bits as well, or left as they were. */
  readonly embedding: 'w4' | 'dense';
  readonly head: 'w4' | 'dense';
  /** What was done to the weights first, e.g. ["rotate"]. */
  readonly steps: readonly string[];
}
