/** Text ↔ tokens. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Special tokens written in the text count as such; none are added. */
  encode(text: string): number[];
  decode(tokens: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  /** The token's own bytes; empty for an id that has none. Special tokens have the bytes of their text. */
  tokenBytes(token: number): Uint8Array;
  isSpecial(token: number): boolean;
  tokenId(text: string): number | undefined;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly addBosToken: boolean;
  /** The Jinja chat template, where the checkpoint has one. */
  readonly chatTemplate: string | null;
}
