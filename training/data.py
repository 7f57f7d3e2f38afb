"""Documents as packed rows of tokens, made by worker processes while the GPU trains."""
import json
import multiprocessing
import random

import numpy as np

import generate as G

ROLES = {"system": 0, "tool": 0, "user": 1, "assistant": 2}
ROW = 2048
CHUNK = 32


class Encoder:
    """Encodes segments apart; tool lines come again and again, so theirs are kept."""

    def __init__(self, path):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(str(path))
        self.kept = {}

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def tool(self, text):
        found = self.kept.get(text)
        if found is None:
            if len(self.kept) > 40_000:
                self.kept.clear()
            found = self.kept[text] = self.ids(text)
        return found

    def document(self, segments):
        ids, roles = [], []
        for text, role in segments:
            piece = self.tool(text) if role in ("tool", "system") else self.ids(text)
            ids += piece
            roles += [ROLES[role]] * len(piece)
        return ids, roles


def rows(generator, encoder, rng):
    """Rows of ROW tokens filled with whole documents: (tokens, roles, document number), padded with document 0."""
    waiting = []
    while True:
        tokens, roles, numbers = np.zeros(ROW, np.uint16), np.zeros(ROW, np.uint8), np.zeros(ROW, np.uint8)
        used = number = 0
        while True:
            while len(waiting) < 24:
                document = encoder.document(generator.document())
                if len(document[0]) <= ROW:
                    waiting.append(document)
            fit = next((i for i, d in enumerate(waiting) if len(d[0]) <= ROW - used), None)
            if fit is None:
                break
            ids, marks = waiting.pop(fit)
            number += 1
            end = used + len(ids)
            tokens[used:end], roles[used:end], numbers[used:end] = ids, marks, number
            used = end
        yield tokens, roles, numbers


def worker(seed, tokenizer, held_out, out):
    generator = G.Generator(seed, held_out=held_out)
    stream = rows(generator, Encoder(tokenizer), random.Random(seed))
    while True:
        out.put(tuple(np.stack(part) for part in zip(*(next(stream) for _ in range(CHUNK)))))


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
        chunk = self.queues[self.turn % len(self.queues)].get()
        self.turn += 1
        return chunk

    def close(self):
        for process in self.processes:
            process.kill()


def held_out_values(path):
    return set(json.loads(path.read_text())["values"])
