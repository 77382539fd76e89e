"""The network of the starter: a lean Llama in plain torch, equal to transformers' `LlamaForCausalLM`.

It exists for training speed: logits are computed only where an answer is supervised, and three
attention heads and two small probes can be guided (see `Guides`). Guides and probes shape the
training only; they leave nothing behind in the exported model.

Shapes: B rows, T positions, D width, H query heads, K key/value heads, G guided pairs, S supervised.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; `positions` is the longest context in tokens."""

    vocabulary: int = 2560
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 512
    positions: int = 2048
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    def as_dict(self) -> dict[str, float]:
        """The sizes as plain data, for a checkpoint."""
        return asdict(self)


# What attention is guided to do: a question's name looks for the same name in the passages, a value
# looks for what it belongs to, an answer looks for its source.
NAME, BIND, COPY = range(3)
# (layer, query head, what). Copying gets several heads: one alone carries too little of a token.
GUIDED_HEADS: tuple[tuple[int, int, int], ...] = (
    (2, 0, NAME),
    (2, 2, BIND),
    (4, 0, COPY),
    (4, 2, COPY),
    (5, 0, COPY),
    (5, 2, COPY),
)
GUIDE_KINDS = 3
PASSAGE_PROBE_LAYER = 1
RELATION_PROBE_LAYER = 2


@dataclass
class Guides:
    """Targets of the guided heads and probes of one batch.

    `queries[c]`, `keys[c]` are [B, G] positions for NAME, BIND, COPY, with key -1 for "none".
    `passages` is [B, T], the number of the passage a token stands in, -1 for "none".
    `relations` is [B, T], the relation a token stands for, -1 for "none".
    """

    queries: list[Tensor]
    keys: list[Tensor]
    passages: Tensor
    relations: Tensor


def rope_tables(shape: Shape, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [T, head_width] of rotary positions in the half-split layout of Llama."""
    half = torch.arange(0, shape.head_width, 2, device=device).float() / shape.head_width
    angles = torch.outer(torch.arange(length, device=device).float(), shape.rope_theta**-half)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [B, H, T, head_width] by its position."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-high, low), dim=-1) * sin


class Block(nn.Module):
    """One layer: attention with grouped keys and values, then a gated feed-forward network."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, kv_width = shape.width, shape.kv_heads * shape.head_width
        self.shape = shape
        self.input_layernorm = nn.RMSNorm(width, eps=shape.norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(width, eps=shape.norm_eps)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, kv_width, bias=False)
        self.v_proj = nn.Linear(width, kv_width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.gate_proj = nn.Linear(width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, T, D] -> the same shape, and the rotated queries [B, H, T, .] and keys [B, K, T, .]."""
        batch, length, width = x.shape
        y = self.input_layernorm(x)
        q = self.q_proj(y).view(batch, length, self.shape.heads, -1).transpose(1, 2)
        k = self.k_proj(y).view(batch, length, self.shape.kv_heads, -1).transpose(1, 2)
        v = self.v_proj(y).view(batch, length, self.shape.kv_heads, -1).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        repeat = self.shape.heads // self.shape.kv_heads
        mixed = functional.scaled_dot_product_attention(
            q, k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1), is_causal=True
        )
        x = x + self.o_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(functional.silu(self.gate_proj(y)) * self.up_proj(y)), q, k


def guided_loss(q: Tensor, k: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
    """Mean -log attention that one head gives to the wanted key.

    q, k [B, T, head_width] of one head; queries, keys [B, G] positions, key -1 where unused.
    """
    length, head_width = q.shape[1], q.shape[2]
    picked = q.gather(1, queries.unsqueeze(-1).expand(-1, -1, head_width))
    scores = (picked @ k.transpose(1, 2)).float() * head_width**-0.5
    later = torch.arange(length, device=q.device)[None, None, :] > queries.unsqueeze(-1)
    logits = scores.masked_fill(later, -1e9)
    loss = functional.cross_entropy(logits.flatten(0, 1), keys.flatten(), ignore_index=-1, reduction="sum")
    return loss / (keys >= 0).sum().clamp(min=1)


def probe_loss(probe: nn.Linear, x: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of a linear probe on x [B, T, D] against targets [B, T], -1 for "none"."""
    logits = probe(x).float().flatten(0, 1)
    loss = functional.cross_entropy(logits, targets.flatten(), ignore_index=-1, reduction="sum")
    return loss / (targets >= 0).sum().clamp(min=1)


class Starter(nn.Module):
    """The whole network; `probes` are used in training only."""

    def __init__(self, shape: Shape, relations: int) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.passage_probe = nn.Linear(shape.width, 8)
        self.relation_probe = nn.Linear(shape.width, relations)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def hidden(self, tokens: Tensor, guides: Guides | None) -> tuple[Tensor, list[Tensor]]:
        """tokens [B, T] -> normed states [B, T, D] and the guide losses (empty without guides)."""
        cos, sin = rope_tables(self.shape, tokens.shape[1], tokens.device)
        x = self.embed_tokens(tokens)
        losses: list[Tensor] = []
        group = self.shape.heads // self.shape.kv_heads
        for index, block in enumerate(self.layers):
            x, q, k = block(x, cos, sin)
            if guides is None:
                continue
            for layer, head, what in GUIDED_HEADS:
                if layer == index:
                    pair = guides.queries[what], guides.keys[what]
                    losses.append(guided_loss(q[:, head], k[:, head // group], *pair))
            if index == PASSAGE_PROBE_LAYER:
                losses.append(probe_loss(self.passage_probe, x, guides.passages))
            if index == RELATION_PROBE_LAYER:
                losses.append(probe_loss(self.relation_probe, x, guides.relations))
        return self.norm(x), losses

    def forward(
        self, tokens: Tensor, at: Tensor, targets: Tensor, weights: Tensor, guides: Guides
    ) -> tuple[Tensor, Tensor]:
        """Answer loss and summed guide loss.

        tokens [B, T]; at, targets, weights [S]: flat positions b*T+t that predict, what, how much.
        """
        states, losses = self.hidden(tokens, guides)
        logits = functional.linear(states.flatten(0, 1)[at], self.embed_tokens.weight).float()
        each = functional.cross_entropy(logits, targets, reduction="none")
        return (each * weights).sum() / weights.sum().clamp(min=1.0), torch.stack(losses).sum()

    def logits(self, tokens: Tensor) -> Tensor:
        """tokens [B, T] -> logits [B, T, vocabulary], for checks and exports."""
        return functional.linear(self.hidden(tokens, None)[0], self.embed_tokens.weight)
