"""Trains one model from scratch.

    python3 training/train.py nano OUT_DIR --tokenizer tokenizer.json [--steps 6000] [--limit 330]

Writes OUT_DIR/model.pt (bf16 weights), curve.jsonl and run.json. The learning rate follows the steps; should the machine be too slow for
all of them within --limit seconds, it follows the clock, so that training always ends with a full decay.
"""
import argparse
import json
import queue
import threading
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import data
from model import CONFIGS, Model, rope_tables

PLACES = data.CHUNK * data.ROW // 2
RATES = {"nano": (0.015, 2.2e-3), "mini": (0.012, 1.6e-3)}


@torch.compile
def orthogonalize(g):
    """Five Newton-Schulz steps on a stack of matrices."""
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x


class Muon:
    def __init__(self, params, rate, momentum=0.95, decay=0.05):
        self.rate, self.momentum, self.decay = rate, momentum, decay
        groups = {}
        for p in params:
            groups.setdefault(p.shape, []).append(p)
        self.groups = list(groups.values())
        self.buffers = [torch.zeros(len(g), *g[0].shape, device=g[0].device) for g in self.groups]

    @torch.no_grad()
    def step(self, scale):
        for group, buffer in zip(self.groups, self.buffers):
            grads = torch.stack([p.grad for p in group])
            buffer.lerp_(grads, 1 - self.momentum)
            update = orthogonalize(grads.lerp(buffer, self.momentum)).float()
            rows, columns = group[0].shape
            rate = self.rate * scale
            torch._foreach_mul_(group, 1 - rate * self.decay)
            torch._foreach_add_(group, list(update.unbind(0)), alpha=-rate * max(1, rows / columns) ** 0.5)


def schedule(progress, step, warmup=100, flat=0.15):
    if step < warmup:
        return (step + 1) / warmup
    return min(1.0, max(0.0, (1 - progress) / (1 - flat)))


def prefetch(loader, device, depth=6):
    """Batches on the GPU ahead of their use."""
    ready = queue.Queue(depth)

    def fill():
        while True:
            ready.put(torch.from_numpy(loader.batch().astype("int32")).pin_memory().to(device, non_blocking=True))
    threading.Thread(target=fill, daemon=True).start()
    return ready


def block_mask(documents, threads):
    """Causal within a document; a thread sees the system prompt and itself."""
    b, s = documents.shape

    def visible(row, head, q, k):
        return (q >= k) & (documents[row, q] == documents[row, k]) & ((threads[row, k] == 0) | (threads[row, q] == threads[row, k]))
    return create_block_mask(visible, b, None, s, s, device=documents.device)


def answer_loss(model, batch, cos, sin, mask, places):
    """Mean loss over answer tokens; logits are made for at most `places` positions, those before an answer token first."""
    def attend(q, k, v):
        return flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
    tokens, roles, positions = batch[0].long(), batch[1], batch[4].long()
    hidden = model.hidden(tokens, cos[positions][:, None], sin[positions][:, None], [attend] * model.c.layers)
    answered = (roles[:, 1:] == 2).flatten()
    weight, index = answered.float().topk(places, sorted=False)
    x = hidden[:, :-1].reshape(-1, hidden.shape[-1])[index]
    losses = F.cross_entropy(F.linear(x, model.embed_tokens.weight).float(), tokens[:, 1:].flatten()[index], reduction="none")
    return (losses * weight).sum() / weight.sum(), answered.sum()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=CONFIGS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--limit", type=float, default=330)
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--rate", type=float, default=1, help="factor on both peak rates")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    held_out = data.held_out(options.held_out) if options.held_out else None
    loader = data.Loader(options.tokenizer, held_out, options.workers, options.seed)
    try:
        run(options, loader)
    finally:
        loader.close()


def run(options, loader):
    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    config = CONFIGS[options.size]
    model = Model(config).cuda()
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("layers.")]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and n.startswith("layers."))]
    muon_rate, adam_rate = (rate * options.rate for rate in RATES[options.size])
    muon, adam = Muon(matrices, muon_rate), torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    cos, sin = rope_tables(config, data.ROW, "cuda")
    masks = torch.compile(block_mask)
    losses = torch.compile(answer_loss)
    batches = prefetch(loader, "cuda")
    count = sum(p.numel() for p in model.parameters())
    print(f"{options.size}: {count:,} parameters", flush=True)
    begun, started, waited, curve = time.time(), None, 0.0, (options.out / "curve.jsonl").open("w")
    step, progress, sums = 0, 0.0, []
    while progress < 1:
        asked = time.time()
        batch = batches.get()
        waited += time.time() - asked if step > 20 else 0
        with torch.autocast("cuda", torch.bfloat16):
            loss, answered = losses(model, batch, cos, sin, masks(batch[2], batch[3]), PLACES)
        loss.backward()
        scale = schedule(progress, step)
        muon.step(scale)
        for group in adam.param_groups:
            group["lr"] = adam_rate * scale
        adam.step()
        model.zero_grad(set_to_none=True)
        sums.append(torch.stack((loss.detach(), answered.float())))
        step += 1
        if step == 20:
            torch.cuda.synchronize()
            started = time.time()
            print(f"compiled in {started - begun:.0f} s", flush=True)
        progress = max(step / options.steps, (time.time() - started) / options.limit if started else 0)
        if step % 100 == 0 or progress >= 1:
            mean, answers = torch.stack(sums).mean(0).tolist()
            sums = []
            taken = time.time() - (started or begun)
            line = {"step": step, "tokens": step * data.CHUNK * data.ROW, "answer_loss": round(mean, 5), "answer_tokens_a_step": round(answers), "rate": round(scale, 3), "seconds": round(taken, 1)}
            curve.write(json.dumps(line) + "\n")
            if step % 500 == 0 or progress >= 1:
                print(json.dumps(line), f"waited {waited:.1f} s for data", flush=True)
    torch.save({k: v.bfloat16().cpu() for k, v in model.state_dict().items()}, options.out / "model.pt")
    summary = {"size": options.size, "parameters": count, "steps": step, "tokens": step * data.CHUNK * data.ROW, "seconds": round(time.time() - started, 1), "seconds_compiling": round(started - begun, 1), "seconds_waiting": round(waited, 1), "seed": options.seed, "workers": options.workers}
    (options.out / "run.json").write_text(json.dumps(summary) + "\n")
    print(json.dumps(summary), flush=True)


if __name__ == "__main__":
    main()
