#!/usr/bin/env python3
"""A training step of a USLM: time and memory, by how attention is computed.

One model of the paper's configuration learns from one batch of random texts and codes.
Beside torch's attention stands one that materialises masks, scores and weights of every
head, as the public implementations of VALL-E do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from measure import alternate, peak_memory, table
from torch import Tensor

from espnet_st.uslm.kv_cache import KVCache
from espnet_st.uslm.transformer import SelfAttention, Transformer
from espnet_st.uslm.uslm import USLM

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "egs2/TEMPLATE/speechtok1/conf/tuning/train_uslm_paper.yaml"
VOCAB, CODES, N_Q = 100, 1024, 8
MATERIALISED, OURS = "materialised masks", "espnet-st"
LEAN = "espnet-st, gradient checkpointing"


class MaterialisedAttention(SelfAttention):
    """Self-attention whose matrices (B * H, T, T) are written out."""

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        rope: Tensor | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Attend as `SelfAttention.forward` does, in training."""
        del cache, layer
        queries, keys, values = self.project(x, rope).flatten(1, 2)
        batch, size = x.shape[:2]
        bias = torch.zeros(batch, self.n_heads, size, size, device=x.device)
        bias = bias.masked_fill_(~mask, float("-inf")).flatten(0, 1)
        queries = queries / queries.shape[-1] ** 0.5
        scores = torch.baddbmm(bias, queries, keys.transpose(1, 2))
        weights = F.dropout(scores.softmax(dim=-1), self.dropout, self.training)
        attended = torch.bmm(weights, values).view(batch, self.n_heads, size, -1)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


def make_batch(args: argparse.Namespace) -> dict[str, Tensor]:
    """Make texts and codes of lengths that differ by up to a fifth, as if sorted."""
    draw = torch.Generator().manual_seed(0)
    shares = torch.linspace(0.8, 1.0, args.utterances)
    texts, frames = ((shares * most).long() for most in (args.tokens, args.frames))
    shape = args.utterances, int(frames.max()), N_Q
    batch = dict(
        text=torch.randint(1, VOCAB, (shape[0], int(texts.max())), generator=draw),
        text_lengths=texts,
        feats=torch.randint(CODES, shape, generator=draw).float(),
        feats_lengths=frames,
    )
    return {name: value.to(args.device) for name, value in batch.items()}


def use(model: USLM, side: str) -> None:
    """Make a model compute attention, and keep what it needs, as one side does."""
    kind = MaterialisedAttention if side == MATERIALISED else SelfAttention
    for module in model.modules():
        if isinstance(module, SelfAttention):
            module.__class__ = kind
        if isinstance(module, Transformer):
            module.checkpointing = side == LEAN


def make_steps(args: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """Make a training step of each side, all of one model, and print both losses."""
    config = yaml.safe_load((ROOT / CONFIG).read_text(encoding="utf-8"))
    conf = config["tts_conf"] | dict(ar_layers=args.layers, nar_layers=args.layers)
    model = USLM(VOCAB, N_Q, **conf).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), **config["optim_conf"])
    batch = make_batch(args)

    def loss(side: str) -> Tensor:
        use(model, side)
        enabled = args.precision == "bf16"
        with torch.autocast(args.device, torch.bfloat16, enabled=enabled):
            return model(**batch)[0].mean()

    def step(side: str) -> None:
        loss(side).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config["grad_clip"])
        optimizer.step()
        optimizer.zero_grad()

    model.eval()
    with torch.no_grad():
        ours, theirs = float(loss(OURS)), float(loss(MATERIALISED))
    print(f"losses without dropout: {OURS} {ours:.6f}, {MATERIALISED} {theirs:.6f}\n")
    model.train()
    return {side: lambda s=side: step(s) for side in (MATERIALISED, OURS, LEAN)}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--layers", type=int, default=12, help="of each of the two models")
    add("--utterances", type=int, default=12)
    add("--tokens", type=int, default=125, help="of the longest text")
    add("--frames", type=int, default=500, help="of the longest utterance")
    add("--repetitions", type=int, default=5)
    add("--threads", type=int, default=torch.get_num_threads())
    add("--device", default="cpu", choices=("cpu", "cuda"))
    add("--precision", default="fp32", choices=("fp32", "bf16"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(f"{vars(args)}\n")
    steps = make_steps(args)
    seconds, _ = alternate(steps, args.repetitions)
    batch = make_batch(args)
    tokens = int(batch["text_lengths"].sum() + batch["feats_lengths"].sum())
    rows = [
        [side, f"{seconds[side].clock:.3f}", f"{tokens / seconds[side].clock:.0f}"]
        + [f"{peak_memory(step, args.device):.0f}"]
        for side, step in steps.items()
    ]
    header = ["attention", "s per step (AR and NAR)", "tokens/s"]
    print(table([*header, "MiB beside weights and optimizer"], rows))


if __name__ == "__main__":
    main()
