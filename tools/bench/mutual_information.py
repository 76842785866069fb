#!/usr/bin/env python3
"""Time and memory of equation (3) over all pairs of utterances and texts."""

from __future__ import annotations

import argparse
import time

import torch
from measure import peak_memory, table

from espnet_st.slmtokbench.tokens.ctc_likelihood import TextBlocks
from espnet_st.slmtokbench.tokens.mutual_information import (
    log_likelihood_matrix,
    mutual_information,
)

N_LABELS = 30


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--full", type=int, default=3000, help="utterances, for memory")
    parser.add_argument("--rows", type=int, default=1, help="rows of those computed")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each utterance")
    parser.add_argument("--frame_rate", type=float, default=50.0)
    parser.add_argument("--characters", type=int, default=200, help="of each text")
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = int(args.seconds * args.frame_rate)
    rows = []
    for n in args.sizes:
        log_probs, texts = _random(n, frames, args.characters)
        start = time.process_time()
        peak = peak_memory(
            lambda: mutual_information(log_likelihood_matrix(log_probs, texts))
        )
        busy = time.process_time() - start
        rows.append([n, n * n, busy, 1000 * busy / n**2, peak])
    log_probs, texts = _random(args.full, frames, args.characters)
    blocks = TextBlocks(texts)

    def whole_matrix() -> dict[str, float]:
        """Compute some rows, repeat them to N x N, and take the mean of all."""
        some = [blocks.log_likelihoods(one) for one in log_probs[: args.rows]]
        matrix = torch.stack(
            [some[index % args.rows].clone() for index in range(args.full)]
        )
        return mutual_information(matrix)

    start = time.process_time()
    peak = peak_memory(whole_matrix)
    busy = time.process_time() - start
    pairs = args.full * args.rows
    rows.append([args.full, pairs, busy, 1000 * busy / pairs, peak])
    header = ["N", "pairs computed", "s of a core", "ms per pair", "peak memory"]
    print(table(header, rows))


def _random(
    n: int, frames: int, characters: int
) -> tuple[list[torch.Tensor], list[list[int]]]:
    """Draw log-probabilities (frames, V) and texts of about `characters` labels."""
    generator = torch.Generator().manual_seed(0)
    log_probs = [
        (3 * torch.randn(frames, N_LABELS, generator=generator)).log_softmax(-1)
        for _ in range(n)
    ]
    lengths = characters + torch.randint(-20, 21, (n,), generator=generator)
    texts = [
        torch.randint(1, N_LABELS, (length,), generator=generator).tolist()
        for length in lengths.tolist()
    ]
    return log_probs, texts


if __name__ == "__main__":
    main()
