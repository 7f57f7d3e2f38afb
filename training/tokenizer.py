"""Byte-level BPE for the models.

    python3 training/tokenizer.py OUT_DIR [--size 6144] [--documents 30000]      trains (needs the `tokenizers` package)

Words take their leading space with them; digits and '_' stand alone and CamelCase parts split, so that user_id, userId and "user id" share
tokens. The pieces of the template and of JSON Schema are whole tokens. Every piece that has a newline starts with it, and a newline is a
word of its own: text may therefore be cut before any newline and encoded apart.
"""
import argparse
import json
import os
from multiprocessing import Pool
from pathlib import Path

import generate as G

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
WORDS = (r" ?\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{Lt}\p{M}]+| ?\p{Lu}+(?![\p{Ll}\p{M}])|\p{N}|_| ?[^\s\p{L}\p{N}\p{M}_]+|\n|[^\S\n]+")
TYPES = ("string", "integer", "number", "boolean", "array", "object")
PIECES = [
    G.TOOLS_HEAD, G.TOOLS_TAIL.split("<tool_call>")[0], "<tool_call></tool_call> XML tags:", '\n{"name": <function-name>, "arguments": <args-json-object>}',
    '\n{"type": "function", "function": {"name": "', '", "description": "', '", "parameters": {"type": "object", "properties": {"', '", "parameters": {"type": "object", "properties": {}',
    *(f'": {{"type": "{t}", "description": "' for t in TYPES), *(f'": {{"type": "{t}"}}' for t in TYPES), *(f'": {{"type": "{t}"' for t in TYPES),
    '": {"type": "string", "enum": ["', '", "enum": ["', '", "items": {"type": "string"}', '", "items": {"type": "number"}', '", "items": {"type": "integer"}',
    '"}, "', '"]}, "', '}, "', '"}}, "required": ["', '"]}}, "required": ["', '}}, "required": ["', '"]}}}', '}}, "required": []}}}', '"}}, "required": []}}}', ', "required": []}}}', '"}}}}}', '}}}',
    ', "additionalProperties": false', '\n{"name": "', '", "arguments": {"', '", "arguments": {}}', '": "', '": ["', '": true', '": false', '": [', '": {"', '": ', '", "', ', "', '"], "', '], "', '"}}', '"]}}', ']}}', '"}', '}}', '["', '"]', '{"',
    'Sorry, I can', 'You are Tetrad, a helpful assistant.',
]


def documents(job):
    seed, count = job
    generator = G.Generator(seed)
    return ["".join(text for text, _ in sum(threads, system)) for system, threads in (generator.document() for _ in range(count))]


def train(size, count, processes):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    pieces = list(dict.fromkeys(PIECES))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size - len(SPECIALS) - len(pieces), initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    cut = sorted(SPECIALS + pieces, key=len, reverse=True)
    with Pool(processes) as pool:
        share = count // processes
        batches = pool.imap(documents, [(10_000 + i, share) for i in range(processes)])
        tokenizer.train_from_iterator((part for batch in batches for doc in batch for part in split_at(doc, cut)), trainer)
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    tokenizer.add_tokens([AddedToken(p, special=False, normalized=False) for p in pieces])
    assert tokenizer.get_vocab_size() == size, tokenizer.get_vocab_size()
    return tokenizer


def split_at(text, cut):
    """The text between whole-token pieces: what is left for BPE to learn."""
    import re
    if not hasattr(split_at, "pattern"):
        split_at.pattern = re.compile("|".join(re.escape(c) for c in cut))
    return [part for part in split_at.pattern.split(text) if part]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=6144)
    parser.add_argument("--documents", type=int, default=30_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = train(options.size, options.documents, options.processes)
    tokenizer.save(str(options.out / "tokenizer.json"))
    sample = documents((77, 300))
    tokens = sum(len(tokenizer.encode(d).ids) for d in sample)
    print(json.dumps({"vocabulary": tokenizer.get_vocab_size(), "characters_per_token": round(sum(map(len, sample)) / tokens, 3), "tokens_per_document": round(tokens / len(sample), 1)}))


if __name__ == "__main__":
    main()
