"""Byte-level BPE for the models.

    python3 training/tokenizer.py OUT_DIR [--size 6144] [--documents 20000]      trains (needs the `tokenizers` package)

Words take their leading space with them; digits and '_' stand alone and CamelCase parts split, so that user_id, userId and "user id" share
tokens. Merges are learned on words without the space, which joins the first piece of its word last: a word splits alike with and without it,
so that a value can be copied piece by piece from the middle of a sentence to the start of a JSON string. The pieces of the template and of JSON Schema are whole tokens. Every piece that has a newline starts with it, and a newline is a
word of its own: text may therefore be cut before any newline and encoded apart.
"""
import argparse
import json
import os
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

import generate as G

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
WORDS = (r" ?\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{Lt}\p{M}]+| ?\p{Lu}+(?![\p{Ll}\p{M}])|\p{N}|_| ?[^\s\p{L}\p{N}\p{M}_]+|\n|[^\S\n]+")
SPACED = 2000  # tokens that are a space and the first piece of a word
SPACE = "Ġ"
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
    from tokenizers import AddedToken, Tokenizer, models, trainers
    pieces = list(dict.fromkeys(PIECES))
    cut = sorted(SPECIALS + pieces, key=len, reverse=True)
    with Pool(processes) as pool:
        batches = pool.imap(counted_words, [(10_000 + i, count // processes, cut) for i in range(processes)])
        words = sum(batches, Counter())
    learned = size - len(SPECIALS) - len(pieces) - SPACED
    base = split_tokenizer(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(vocab_size=learned, initial_alphabet=sorted(alphabet()), special_tokens=[], show_progress=False)
    base.train_from_iterator((word for spaced, number in words.items() for word in [spaced.lstrip(" ") or spaced] * min(number, 2000)), trainer)
    tokenizer = split_tokenizer(Tokenizer(with_spaced(base, words)))
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    tokenizer.add_tokens([AddedToken(p, special=False, normalized=False) for p in pieces])
    assert tokenizer.get_vocab_size() == size, tokenizer.get_vocab_size()
    return tokenizer


def alphabet():
    from tokenizers import pre_tokenizers
    return pre_tokenizers.ByteLevel.alphabet()


def split_tokenizer(tokenizer):
    from tokenizers import Regex, decoders, pre_tokenizers
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def with_spaced(base, words):
    """The base model and, merged last, a space with each of the SPACED pieces that most often start a word behind one."""
    from tokenizers import models
    starts = Counter()
    for word, number in words.items():
        if word[0] == " " and len(word) > 1:
            starts[base.encode(word[1:]).tokens[0]] += number
    model = json.loads(base.to_str())["model"]
    vocab, merges = model["vocab"], [tuple(m) for m in model["merges"]]
    for piece in [p for p, _ in starts.most_common() if SPACE + p not in vocab][:SPACED]:
        vocab[SPACE + piece] = len(vocab)
        merges.append((SPACE, piece))
    return models.BPE(vocab=vocab, merges=merges)


def counted_words(job):
    """The words of fresh documents, outside the whole-token pieces, with their counts."""
    seed, count, cut = job
    from tokenizers import Regex, pre_tokenizers
    cutter, counts = pre_tokenizers.Split(Regex(WORDS), "isolated"), Counter()
    for document in documents((seed, count)):
        for part in split_at(document, cut):
            counts.update(word for word, _ in cutter.pre_tokenize_str(part))
    return counts


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
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = train(options.size, options.documents, options.processes)
    tokenizer.save(str(options.out / "tokenizer.json"), pretty=False)
    sample = documents((77, 300))
    tokens = sum(len(tokenizer.encode(d).ids) for d in sample)
    print(json.dumps({"vocabulary": tokenizer.get_vocab_size(), "characters_per_token": round(sum(map(len, sample)) / tokens, 3), "tokens_per_document": round(tokens / len(sample), 1)}))


if __name__ == "__main__":
    main()
