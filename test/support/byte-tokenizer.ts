import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

/** The smallest tokenizer there is: one token a byte, then the special tokens. */
export function byteTokenizer(options: { special?: readonly string[]; chatTemplate?: string | null; addBosToken?: boolean } = {}): Tokenizer {
  const special = options.special ?? ['<s>', '</s>'];
  const encoder = new TextEncoder();
  const bytes = [...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), ...special.map((text) => encoder.encode(text))];
  const isSpecial = (token: number): boolean => token >= 256 && token < bytes.length;
  const pattern = new RegExp(`(${special.map((text) => text.replace(/[|\\{}()[\]^$+*?.]/g, '\\$&')).join('|')})`, 'u');
  const tokenId = (text: string): number | undefined => {
    const index = special.indexOf(text);
    return index < 0 ? undefined : 256 + index;
  };
  return {
    vocabSize: bytes.length,
    encode: (text) => text.split(pattern).flatMap((part) => tokenId(part) ?? [...encoder.encode(part)]),
    decode: (tokens, { skipSpecialTokens = true } = {}) =>
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(
        Uint8Array.from(tokens.filter((token) => !skipSpecialTokens || !isSpecial(token)).flatMap((token) => [...bytes[token]])),
      ),
    tokenBytes: (token) => bytes[token] ?? new Uint8Array(0),
    isSpecial,
    tokenId,
    bosToken: special[0] ?? null,
    eosToken: special[1] ?? null,
    addBosToken: options.addBosToken ?? false,
    chatTemplate: options.chatTemplate ?? null,
  };
}
