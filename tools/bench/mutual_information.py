#!/usr/bin/env python3
"""Time and memory of equation (3) over all pairs of utterances and texts."""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import torch
from measure import table

from espnet_st.slmtokbench.tokens.ctc_likelihood import TextBlocks
from espnet_st.slmtokbench.tokens.mutual_information import (
    mutual_information,
    mutual_information_estimates,
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
    rows = [_measure(n, n, frames, args.characters) for n in args.sizes]
    rows.append(_measure(args.full, args.rows, frames, args.characters))
    header = ["N", "pairs computed", "s of a core", "ms per pair", "peak MiB"]
    print(table(header, rows))


def _measure(n: int, n_rows: int, frames: int, characters: int) -> list[Any]:
    """Compute some rows, repeat them to N x N, then the mean and its interval."""
    log_probs, texts = _random(n, frames, characters)
    start = time.process_time()
    blocks = TextBlocks(texts)
    some = [blocks.log_likelihoods(one) for one in log_probs[:n_rows]]
    busy = time.process_time() - start
    matrix = torch.stack([some[index % n_rows] for index in range(n)])
    mutual_information(matrix)
    mutual_information_estimates(matrix, [str(index) for index in range(n)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    pairs = n * n_rows
    return [n, pairs, f"{busy:.1f}", f"{1000 * busy / pairs:.2f}", peak]


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
