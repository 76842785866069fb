"""Estimates against joint distributions whose mutual information is known.

Texts are letters from a joint table p(x, y), codes their noisy copies. With the exact
conditional q, equation (3) estimates vCLUB, an upper bound in closed form; the truth
lies between `mi_lower` and `mi`.
"""

import math

import numpy as np
import pytest
import torch

from espnet_st.slmtokbench.tokens.downstream import (
    Characters,
    log_probabilities,
    random_codebooks,
)
from espnet_st.slmtokbench.tokens.downstream_training import (
    TrainingOptions,
    train_downstream,
)
from espnet_st.slmtokbench.tokens.mutual_information import (
    log_likelihood_matrix,
    mutual_information,
    mutual_information_estimates,
)


def symmetric(letters, noise):
    """p(x, y) of uniform letters that turn to another one with probability `noise`."""
    table = np.full((letters, letters), noise / (letters - 1))
    np.fill_diagonal(table, 1 - noise)
    return table / letters


KNOWN = np.array([[0.30, 0.05, 0.05], [0.02, 0.20, 0.08], [0.10, 0.05, 0.15]])


def closed_form(table, length):
    """Mutual information and vCLUB of `length` independent letters, in nats."""
    codes, texts = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    conditional = np.log(table / codes)
    information = (table * (conditional - np.log(texts))).sum()
    bound = ((table - codes * texts) * conditional).sum()
    return length * information, length * bound


def draw(table, n, length, seed):
    """Draw codes and texts (n, length) each."""
    generator = np.random.default_rng(seed)
    cells = generator.choice(table.size, (n, length), p=table.ravel())
    return cells // len(table), cells % len(table)


def exact_matrix(table, codes, texts):
    conditional = np.log(table / table.sum(1, keepdims=True))
    matrix = conditional[codes[:, None], texts[None]].sum(-1)
    return torch.from_numpy(matrix)


def exact_frames(table, codes):
    """CTC frames of the exact q: a frame of the letter, then one of the blank."""
    conditional = table / table.sum(1, keepdims=True)
    frames = torch.full((2 * len(codes), len(table) + 1), -80.0)
    frames[::2, 1:] = torch.from_numpy(np.log(conditional[codes])).float()
    frames[1::2, 0] = 0.0
    return frames


def test_bound_is_information_and_the_divergence_of_the_product():
    information, bound = closed_form(KNOWN, 1)
    product = KNOWN.sum(1, keepdims=True) * KNOWN.sum(0, keepdims=True)
    divergence = (product * np.log(product / KNOWN)).sum()
    assert bound == pytest.approx(information + divergence)


@pytest.mark.parametrize("table", [symmetric(4, 0.1), KNOWN])
def test_ctc_of_the_exact_frames_is_the_exact_conditional(table):
    codes, texts = draw(table, 6, 5, 0)
    found = log_likelihood_matrix(
        [exact_frames(table, row) for row in codes], texts + 1
    )
    expected = exact_matrix(table, codes, texts).float()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize(
    ("table", "length"),
    [
        (symmetric(4, 0.1), 3),
        (symmetric(4, 0.3), 5),
        (symmetric(4, 0.6), 8),
        (KNOWN, 6),
    ],
)
def test_truth_lies_between_the_bounds(table, length, n):
    information, bound = closed_form(table, length)
    codes, texts = draw(table, n, length, n + length)
    matrix = exact_matrix(table, codes, texts)
    found = mutual_information_estimates(matrix, [str(i) for i in range(n)])
    assert found["mi_lower"].low < information < found["mi"].high
    assert found["mi"].low * 0.9 < (n - 1) / n * bound < found["mi"].high * 1.1
    values = mutual_information(matrix)
    assert found["mi"].value == pytest.approx(values["mi"])
    assert found["mi_lower"].value == pytest.approx(values["mi_lower"])


def test_interval_covers_as_often_as_it_says():
    table, length, n, trials = symmetric(4, 0.2), 4, 60, 300
    _, bound = closed_form(table, length)
    covered, values = 0, []
    for trial in range(trials):
        matrix = exact_matrix(table, *draw(table, n, length, trial))
        keys = [f"{trial} {index}" for index in range(n)]
        one = mutual_information_estimates(matrix, keys, draws=300)["mi"]
        values.append(one.value)
        covered += one.low <= (n - 1) / n * bound <= one.high
    error = np.std(values) / math.sqrt(trials)
    assert np.mean(values) == pytest.approx((n - 1) / n * bound, abs=4 * error)
    assert 0.90 <= covered / trials <= 0.98


def test_sampled_pairs_are_right_within_their_error():
    table, n = symmetric(4, 0.3), 80
    codes, texts = draw(table, n, 4, 0)
    frames = [exact_frames(table, row) for row in codes]
    every = mutual_information(log_likelihood_matrix(frames, texts + 1))
    assert every["mi_pair_error"] == 0 and every["pairs"] == n * n
    deviations = []
    for seed in range(20):
        matrix = log_likelihood_matrix(frames, texts + 1, pairs=5 * n - 3, seed=seed)
        found = mutual_information(matrix)
        assert found["pairs"] == 6 * n
        others = ~matrix.isnan() & ~torch.eye(n, dtype=torch.bool)
        assert set(others.sum(0).tolist()) == set(others.sum(1).tolist()) == {5}
        deviations.append((found["mi"] - every["mi"]) / found["mi_pair_error"])
    # Balanced pairs vary less than the error of independent ones says, never more.
    assert 0.1 < np.std(deviations) < 1.5
    assert abs(np.mean(deviations)) < 1


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_a_trained_model_brackets_the_truth(noise):
    table, length, n = symmetric(4, noise), 3, 100
    codes, texts = draw(table, 600 + n, length, 1)
    spelt, words = {}, {}
    for index, (row, text) in enumerate(zip(codes, texts)):
        key = f"{index:04d}"
        spelt[key] = torch.tensor([[c for code in row for c in (code, 4)]])
        words[key] = "".join("ABCD"[letter] for letter in text)
    train = {key: spelt[key] for key in sorted(spelt)[:600]}
    held_out = {key: spelt[key] for key in sorted(spelt)[600:]}
    characters = Characters(["ABCD"])
    options = TrainingOptions(150, 32, 2e-2, decay=True, hidden=12, layers=1)
    model = train_downstream(
        train, words, random_codebooks([5], 8, 0), characters, options
    )
    rows = log_probabilities(model, held_out)
    keys = sorted(rows)
    matrix = log_likelihood_matrix(
        [rows[key] for key in keys], [characters.encode(words[key]) for key in keys]
    )
    found = mutual_information_estimates(matrix, keys)
    information, _ = closed_form(table, length)
    assert found["mi_lower"].low < information < found["mi"].high
    assert found["mi_lower"].value > 0.5 * information
