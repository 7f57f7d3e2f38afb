"""The model: a Qwen3-shaped transformer (RMSNorm, RoPE, grouped queries, q/k norm, SwiGLU, tied embedding), for training and for batched greedy decoding."""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab: int = 6144
    dim: int = 256
    layers: int = 9
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 64
    hidden: int = 512
    theta: float = 10000.0
    eps: float = 1e-6
    context: int = 2048


CONFIGS = {"nano": Config(), "mini": Config(dim=384, layers=13, heads=8, kv_heads=2, hidden=1024)}


class Norm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype) * self.weight.to(x.dtype)


def rope_tables(config, length, device):
    inverse = config.theta ** (-torch.arange(0, config.head_dim, 2, device=device).float() / config.head_dim)
    angles = torch.outer(torch.arange(length, device=device).float(), inverse)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return (x.float() * cos + turned.float() * sin).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.dim, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.dim, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.dim, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.dim, bias=False)
        self.q_norm, self.k_norm = Norm(c.head_dim, c.eps), Norm(c.head_dim, c.eps)

    def forward(self, x, cos, sin, attend):
        b, s, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(b, s, -1, self.c.head_dim)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(b, s, -1, self.c.head_dim)).transpose(1, 2)
        v = self.v_proj(x).view(b, s, -1, self.c.head_dim).transpose(1, 2)
        out = attend(rotate(q, cos, sin), rotate(k, cos, sin), v)
        return self.o_proj(out.transpose(1, 2).reshape(b, s, -1))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.dim, c.hidden, bias=False)
        self.up_proj = nn.Linear(c.dim, c.hidden, bias=False)
        self.down_proj = nn.Linear(c.hidden, c.dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.self_attn = Norm(c.dim, c.eps), Attention(c)
        self.post_attention_layernorm, self.mlp = Norm(c.dim, c.eps), Mlp(c)

    def forward(self, x, cos, sin, attend):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, attend)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c.vocab, c.dim)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = Norm(c.dim, c.eps)
        self.start()

    def start(self):
        for name, p in self.named_parameters():
            if p.ndim == 2:
                scale = (2 * self.c.layers) ** -0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1
                nn.init.normal_(p, std=0.02 * scale)

    def hidden(self, ids, cos, sin, attends):
        x = self.embed_tokens(ids)
        for layer, attend in zip(self.layers, attends):
            x = layer(x, cos, sin, attend)
        return self.norm(x)

    def forward(self, ids, cos, sin, attends):
        return F.linear(self.hidden(ids, cos, sin, attends), self.embed_tokens.weight)


def full_attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


class Cache:
    """Keys and values of one batch; rows have lengths of their own."""

    def __init__(self, c, rows, length, device, dtype):
        self.keys = torch.zeros(c.layers, rows, c.kv_heads, length, c.head_dim, device=device, dtype=dtype)
        self.values = torch.zeros_like(self.keys)
        self.columns = torch.arange(length, device=device)

    def prefill(self, layer):
        def attend(q, k, v):
            s = k.shape[2]
            self.keys[layer, :, :, :s], self.values[layer, :, :, :s] = k, v
            return full_attention(q, k, v)
        return attend

    def step(self, layer, lengths, mask):
        rows = torch.arange(lengths.shape[0], device=lengths.device)

        def attend(q, k, v):
            self.keys[layer, rows, :, lengths] = k[:, :, 0]
            self.values[layer, rows, :, lengths] = v[:, :, 0]
            grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[-1])  # the query heads of one KV head as rows: no copy of the cache
            return F.scaled_dot_product_attention(grouped, self.keys[layer], self.values[layer], attn_mask=mask).view(q.shape)
        return attend


@torch.no_grad()
def greedy(model, prompts, end, limit=160, rows=384, pad=0):
    """Answers of all prompts (lists of ids), greedily, without the closing token."""
    c, device, dtype = model.c, model.embed_tokens.weight.device, model.embed_tokens.weight.dtype
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [None] * len(prompts)
    for start in range(0, len(order), rows):
        batch = order[start:start + rows]
        lengths = torch.tensor([len(prompts[i]) for i in batch], device=device)
        longest = int(lengths.max())
        ids = torch.full((len(batch), longest), pad, dtype=torch.long)
        for row, i in enumerate(batch):
            ids[row, :len(prompts[i])] = torch.tensor(prompts[i])
        ids = ids.to(device)
        cos, sin = rope_tables(c, longest + limit, device)
        cache = Cache(c, len(batch), longest + limit, device, dtype)
        x = model.hidden(ids, cos[:longest], sin[:longest], [cache.prefill(n) for n in range(c.layers)])
        last = x[torch.arange(len(batch), device=device), lengths - 1]
        token = F.linear(last, model.embed_tokens.weight).argmax(-1)
        done = torch.zeros(len(batch), dtype=torch.bool, device=device)
        written = []
        for step in range(limit):
            token = torch.where(done, pad, token)
            written.append(token)
            done |= token == end
            if step % 16 == 15 and bool(done.all()):
                break
            mask = (cache.columns[None] <= lengths[:, None])[:, None, None]
            attends = [cache.step(n, lengths, mask) for n in range(c.layers)]
            x = model.hidden(token[:, None], cos[lengths][:, None, None], sin[lengths][:, None, None], attends)
            token = F.linear(x[:, 0], model.embed_tokens.weight).argmax(-1)
            lengths = lengths + (~done)
        grid = torch.stack(written, 1).tolist()
        for row, i in enumerate(batch):
            answer = grid[row]
            answers[i] = answer[:answer.index(end)] if end in answer else answer
    return answers


def hf_config(c, end):
    return {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": c.vocab, "hidden_size": c.dim, "num_hidden_layers": c.layers, "num_attention_heads": c.heads,
            "num_key_value_heads": c.kv_heads, "head_dim": c.head_dim, "intermediate_size": c.hidden, "hidden_act": "silu", "max_position_embeddings": c.context, "rms_norm_eps": c.eps,
            "rope_theta": c.theta, "attention_bias": False, "attention_dropout": 0.0, "tie_word_embeddings": True, "use_cache": True, "initializer_range": 0.02, "use_sliding_window": False,
            "sliding_window": None, "max_window_layers": c.layers, "bos_token_id": None, "eos_token_id": end, "torch_dtype": "bfloat16"}

