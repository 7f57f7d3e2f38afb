"""Documents as packed rows of tokens, made by worker processes while the GPU trains."""
import json
import multiprocessing
import re
import unicodedata
from pathlib import Path

import numpy as np

import generate as G
import heldout as H

ROLES = {"system": 0, "tool": 0, "user": 1, "assistant": 2}
ROW = 2048
CHUNK = 32


def letters(*categories):
    """The characters of some Unicode categories as the inside of a character class."""
    found = [chr(c) for c in range(0x80, 0x2C00) if unicodedata.category(chr(c)) in categories]
    return "".join(map(re.escape, found))


class Encoder:
    """The tokenizer, made fast for text that repeats: pieces and words are cut here and looked up, the library sees each new word once."""

    def __init__(self, path):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(str(path))
        added = sorted((t["content"] for t in json.loads(Path(path).read_text())["added_tokens"]), key=len, reverse=True)
        self.pieces = re.compile("(" + "|".join(map(re.escape, added)) + ")")
        lower, upper, marks = "a-z" + letters("Ll", "Lo", "Lm", "Lt", "Mn", "Mc", "Me"), "A-Z" + letters("Lu"), "a-z" + letters("Ll", "Mn", "Mc", "Me")
        digits = "0-9" + letters("Nd", "Nl", "No")
        self.words = re.compile(rf" ?[{upper}]?[{lower}]+| ?[{upper}]+(?![{marks}])|[{digits}]|_| ?[^\s{lower}{upper}{digits}_]+|\n|[^\S\n]+")
        self.known = {t["content"]: [t["id"]] for t in json.loads(Path(path).read_text())["added_tokens"]}
        self.kept = {}

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def word(self, text):
        found = self.tokenizer.encode(text, add_special_tokens=False).ids
        if len(self.known) < 200_000:
            self.known[text] = found
        return found

    def fast(self, text):
        if not text.isascii() and max(text) > "\u2bff":
            return self.ids(text)
        known, out = self.known, []
        for number, part in enumerate(self.pieces.split(text)):
            if number % 2:
                out += known[part]
            elif part:
                for word in self.words.findall(part):
                    out += known.get(word) or self.word(word)
        return out

    def tool(self, text):
        found = self.kept.get(text)
        if found is None:
            if len(self.kept) > 40_000:
                self.kept.clear()
            found = self.kept[text] = self.fast(text)
        return found

    def document(self, system, threads):
        """Four lists: token, weight role, thread, position. Threads start where the system prompt ends."""
        ids, roles, thread_of, positions = [], [], [], []
        for text, role in system:
            ids += self.tool(text) if role == "tool" else self.fast(text)
        start = len(ids)
        roles, thread_of, positions = [0] * start, [0] * start, list(range(start))
        for number, thread in enumerate(threads, 1):
            first = len(ids)
            for text, role in thread:
                piece = self.fast(text)
                ids += piece
                roles += [ROLES[role]] * len(piece)
            length = len(ids) - first
            thread_of += [number] * length
            positions += range(start, start + length)
        return ids, roles, thread_of, positions


def check(encoder, generator, count=200):
    """The fast path must give the library's own tokens."""
    for _ in range(count):
        system, threads = generator.document()
        for thread in threads:
            segments = system + thread
            assert sum((encoder.fast(text) for text, _ in segments), []) == encoder.ids("".join(text for text, _ in segments))


def rows(generator, encoder):
    """Rows of ROW tokens filled with whole documents, as an array of token, role, document number, thread, position; padded with document 0."""
    waiting = []
    while True:
        row = np.zeros((5, ROW), np.uint16)
        used = number = 0
        while True:
            while len(waiting) < 24:
                document = encoder.document(*generator.document())
                if len(document[0]) <= ROW:
                    waiting.append(document)
            fit = next((i for i, d in enumerate(waiting) if len(d[0]) <= ROW - used), None)
            if fit is None:
                break
            ids, roles, threads, positions = waiting.pop(fit)
            number += 1
            end = used + len(ids)
            row[0, used:end], row[1, used:end], row[2, used:end], row[3, used:end], row[4, used:end] = ids, roles, number, threads, positions
            used = end
        yield row


def worker(seed, tokenizer, held_out, out):
    generator, encoder = G.Generator(seed, held_out=held_out), Encoder(tokenizer)
    check(encoder, generator)
    stream = rows(generator, encoder)
    while True:
        out.put(np.stack([next(stream) for _ in range(CHUNK)], 1))


class Loader:
    """Chunks of the workers in a fixed round, so that the data depend on the seed and the number of workers alone."""

    def __init__(self, tokenizer, held_out, workers, seed):
        context = multiprocessing.get_context("fork")
        self.queues = [context.Queue(maxsize=6) for _ in range(workers)]
        self.processes = [context.Process(target=worker, args=(seed * 1000 + i, tokenizer, held_out, q), daemon=True) for i, q in enumerate(self.queues)]
        for process in self.processes:
            process.start()
        self.turn = 0

    def batch(self):
        """An array [5, CHUNK, ROW]."""
        chunk = self.queues[self.turn % len(self.queues)].get(timeout=120)
        self.turn += 1
        return chunk

    def close(self):
        for process in self.processes:
            process.kill()


def held_out(path):
    """What training must not use of the held-out set: its values and its names of parameters."""
    found = H.read(path)
    return {"values": found["values"], "names": found["names"]}
