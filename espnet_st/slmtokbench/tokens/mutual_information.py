"""Mutual information of tokens and text, equations (2) and (3) of the paper.

The variational distribution q(y | x) is a CTC model of characters (`downstream`).

Equation (3) is the contrastive log-ratio bound of Cheng et al. (vCLUB, 2020). With the
exact q it is I(X; Y) + KL(p(x) p(y) || p(x, y)), an upper bound that can be far above
the information; with a poor q it can lie on either side. `mi_lower` is InfoNCE (van den
Oord et al., 2018) of the same likelihoods, in expectation a lower bound for any q, and
never above the log of the number of texts that it compares. With the exact q the truth
lies between both, but for the error of sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from espnet_st.slmtokbench.bootstrap import (
    DRAWS,
    Estimate,
    bootstrap,
    draw_weights,
    ratio,
)
from espnet_st.slmtokbench.tokens.ctc_likelihood import TextBlocks


def log_likelihood_matrix(
    log_probs: Sequence[Tensor],
    texts: Sequence[Sequence[int]],
    pairs: int = 0,
    seed: int = 0,
) -> Tensor:
    """Compute log q(y_j | x_i) for all pairs, or for sampled ones.

    One utterance is compared with blocks of texts, so that nothing but the result
    grows with N * N.

    Args:
        log_probs: N tensors (T_i, V).
        texts: N label sequences, none empty.
        pairs: How many pairs i != j to sample, rounded up to a multiple of N; 0 for
            all. Each utterance and each text is in as many pairs as any other.
        seed: Of the sample.

    Returns:
        (N, N) in the type of `log_probs`, row i for x_i, column j for y_j; NaN where a
        pair is not in the sample.

    Raises:
        ValueError: If the numbers differ, there are fewer than two utterances, a
            text is empty, an utterance has no frame, or a log-probability is NaN.
    """
    n = len(texts)
    if len(log_probs) != n:
        raise ValueError(f"{len(log_probs)} utterances, but {n} texts")
    if n < 2:
        raise ValueError(f"{n} utterance: mutual information takes two or more")
    for index, frames in enumerate(log_probs):
        if not len(frames):
            raise ValueError(f"utterance {index} has no frame; leave it out")
        if frames.isnan().any():
            raise ValueError(f"log-probabilities of utterance {index} are NaN")
    each = math.ceil(pairs / n)
    if each == 0 or each >= n - 1:
        blocks = TextBlocks(texts)
        return torch.stack([blocks.log_likelihoods(frames) for frames in log_probs])
    matrix = log_probs[0].new_full((n, n), torch.nan)
    generator = torch.Generator().manual_seed(seed)
    ring = torch.randperm(n, generator=generator)
    shifts = torch.cat(
        [
            torch.zeros(1, dtype=torch.long),
            1 + torch.randperm(n - 1, generator=generator)[:each],
        ]
    )
    for place, row in enumerate(ring.tolist()):
        columns = ring[(place + shifts) % n]
        chosen = TextBlocks([texts[column] for column in columns.tolist()])
        matrix[row, columns] = chosen.log_likelihoods(log_probs[row])
    return matrix


def mutual_information(log_likelihoods: Tensor) -> dict[str, float]:
    """Estimate equation (3).

    I = 1 / N^2 sum_i sum_j [log q(y_i | x_i) - log q(y_j | x_i)].

    Its expectation is (N - 1) / N of the bound, since the pairs i = j add zero. Of
    sampled pairs, it is (N - 1) / N times their mean.
    A text that has no CTC path through x_i has log q = -inf, which would make the
    estimate infinite. Such pairs are left out of the mean, and counted; an utterance
    whose own text has none is left out with its whole row.

    Args:
        log_likelihoods: (N, N) log q(y_j | x_i), NaN where not sampled.

    Returns:
        `mi` in nats per utterance, `mi_lower` likewise (see this module);
        `infeasible`: per cent of pairs left out, and `pairs_left_out`, their number;
        `pairs`: those in the mean; `mi_pair_error`: the standard error that sampling
        of pairs adds, 0 if all were taken.

    Raises:
        ValueError: The matrix is not N x N with N > 1, an utterance's own likelihood
            is NaN, or no pair is left.
    """
    difference, kept = _differences(log_likelihoods)
    n = len(difference)
    sampled = ~log_likelihoods.isnan()
    others = kept & ~np.eye(n, dtype=bool)
    taken, left = int(sampled.sum()), int(others.sum())
    values = difference[others]
    error = 0.0
    if taken < n * n and left > 1:
        unseen = 1.0 - (taken - n) / (n * n - n)
        error = float(values.std(ddof=1)) * math.sqrt(unseen / left)
    return {
        "mi": (n - 1) / n * float(values.mean()),
        "mi_lower": float(np.mean(_lower_bounds(log_likelihoods, kept))),
        "mi_pair_error": error,
        "infeasible": 100.0 * (1.0 - float(kept.sum()) / taken),
        "pairs": int(kept.sum()),
        "pairs_left_out": taken - int(kept.sum()),
    }


def mutual_information_estimates(
    log_likelihoods: Tensor, keys: Sequence[str], seed: int = 0, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Estimate `mi` and `mi_lower` of `mutual_information` with their draws.

    In a draw with weights w, the pair i != j counts w_i * w_j times: an utterance that
    is drawn twice is so both as codes and as text. Pairs i = j, which would shrink the
    draws more than the value, stay out.

    Args:
        log_likelihoods: (N, N), see `mutual_information`.
        keys: N utterance ids.
        seed: Of the draws.
        draws: How many.

    Raises:
        ValueError: As `mutual_information`, or there are not N ids.
    """
    n = len(log_likelihoods)
    if len(keys) != n:
        raise ValueError(f"{len(keys)} utterance ids for {n} utterances")
    difference, kept = _differences(log_likelihoods)
    others = (kept & ~np.eye(n, dtype=bool)).astype(np.float64)
    difference = difference * others
    weights = draw_weights(keys, seed, draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = ((weights @ difference) * weights).sum(1)
        resampled /= ((weights @ others) * weights).sum(1)
    value = difference.sum() / others.sum()
    shrink = (n - 1) / n
    rows = np.flatnonzero(kept.diagonal()).tolist()
    bounds = _lower_bounds(log_likelihoods, kept)
    by_key = {keys[row]: float(bound) for row, bound in zip(rows, bounds)}
    return {
        "mi": Estimate(float(shrink * value), shrink * resampled),
        "mi_lower": bootstrap(by_key, ratio, seed, draws),
    }


def _differences(log_likelihoods: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Compute log q(y_i | x_i) - log q(y_j | x_i), and which pairs count (N, N)."""
    if log_likelihoods.dim() != 2 or len(set(log_likelihoods.shape)) != 1:
        raise ValueError(
            f"Expected N x N log-likelihoods, got {tuple(log_likelihoods.shape)}."
        )
    if len(log_likelihoods) < 2:
        raise ValueError("1 utterance: mutual information takes two or more")
    table = log_likelihoods.double().numpy()
    own = table.diagonal()[:, None]
    if np.isnan(own).any():
        raise ValueError(f"{np.isnan(own).sum()} utterances' own likelihood is NaN")
    kept = np.isfinite(table) & np.isfinite(own)
    if not (kept & ~np.eye(len(table), dtype=bool)).any():
        raise ValueError("No text has a CTC path through the codes: too few frames.")
    return np.where(kept, np.where(kept, own, 0) - np.where(kept, table, 0), 0), kept


def _lower_bounds(log_likelihoods: Tensor, kept: np.ndarray) -> np.ndarray:
    """Compute log q(y_i | x_i) - log mean_j q(y_j | x_i) of each row that counts."""
    rows = log_likelihoods.double()[torch.from_numpy(kept.diagonal().copy())]
    own = log_likelihoods.double().diagonal()[torch.from_numpy(kept.diagonal().copy())]
    compared = (~rows.isnan()).sum(1)
    mean = rows.nan_to_num(nan=-torch.inf, neginf=-torch.inf).logsumexp(1)
    bounds: np.ndarray = (own - mean + compared.log()).numpy()
    return bounds
