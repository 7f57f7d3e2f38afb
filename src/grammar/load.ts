/** The vocabulary of a checkpoint. */
import { loadTokenizer, TokenizerError } from '../tokenizer/tokenizer.ts';
import { Vocabulary } from './trie.ts';

export interface ModelTokens {
  /** Ids the model knows. */
  readonly vocabSize: number;
  readonly eosTokenIds: readonly number[];
}

/** The vocabulary to match grammars over, or why there is none. */
export type LoadedVocabulary = { readonly vocabulary: Vocabulary; readonly refusal: null } | { readonly vocabulary: null; readonly refusal: string };

export function loadVocabulary(directory: string, model: ModelTokens): LoadedVocabulary {
  const eosTokenIds = model.eosTokenIds.filter((token) => token < model.vocabSize);
  if (eosTokenIds.length === 0) return { vocabulary: null, refusal: `${directory}: the model has no end-of-sequence token, so a grammar could never end; name one as eos_token_id in config.json` };
  try {
    const tokenizer = loadTokenizer(directory);
    const source = {
      vocabSize: Math.min(tokenizer.vocabSize, model.vocabSize),
      tokenBytes: (token: number) => tokenizer.tokenBytes(token),
      isSpecial: (token: number) => tokenizer.isSpecial(token),
      encode: (text: string) => tokenizer.encode(text),
    };
    return { vocabulary: new Vocabulary(source, eosTokenIds), refusal: null };
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    return { vocabulary: null, refusal: `grammars need a tokenizer: ${error.message}` };
  }
}
