import itertools
import math

import pytest
import torch
from torch.nn import functional

from espnet_st.slmtokbench.tokens import ctc_likelihood
from espnet_st.slmtokbench.tokens.mutual_information import (
    log_likelihood_matrix,
    mutual_information,
    mutual_information_estimates,
)


def random_log_probs(lengths, n_labels, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(t, n_labels, generator=generator, dtype=torch.float64).log_softmax(
            -1
        )
        for t in lengths
    ]


def brute_force(log_probs, text):
    """Sum over all label paths that collapse to the text."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        merged = [label for label, _ in itertools.groupby(path)]
        if [label for label in merged if label != 0] == list(text):
            total += math.exp(sum(log_probs[t, p] for t, p in enumerate(path)))
    return math.log(total) if total else -math.inf


def test_all_pairs_equal_the_sum_over_paths():
    log_probs = random_log_probs([4, 3], 3)
    texts = [[1, 2], [2, 2]]
    matrix = log_likelihood_matrix(log_probs, texts)
    for i, frames in enumerate(log_probs):
        for j, text in enumerate(texts):
            assert matrix[i, j].item() == pytest.approx(brute_force(frames, text))


def test_all_pairs_equal_one_ctc_call_each():
    log_probs = random_log_probs([9, 12, 7], 6, seed=1)
    texts = [[1, 2, 3], [4, 4], [5]]
    matrix = log_likelihood_matrix(log_probs, texts)
    for i, frames in enumerate(log_probs):
        for j, text in enumerate(texts):
            loss = functional.ctc_loss(
                frames, torch.tensor(text), [len(frames)], [len(text)], reduction="sum"
            )
            assert matrix[i, j].item() == pytest.approx(-loss.item())


def test_estimate_is_equation_3():
    matrix = torch.randn(5, 5, dtype=torch.float64)
    expected = sum(
        (matrix[i, i] - matrix[i, j]).item() for i in range(5) for j in range(5)
    )
    assert mutual_information(matrix)["mi"] == pytest.approx(expected / 25)


def test_closed_form_for_one_frame_per_text():
    # q(y = i | x_i) = p, q(y = j | x_i) = (1 - p) / (N - 1): one frame, one label.
    n, p = 4, 0.7
    probs = torch.full((n, n + 1), (1 - p) / (n - 1), dtype=torch.float64)
    probs[:, 0] = 1e-300
    for i in range(n):
        probs[i, i + 1] = p
    matrix = log_likelihood_matrix(
        [row[None].log() for row in probs], [[i + 1] for i in range(n)]
    )
    expected = (n - 1) / n * (math.log(p) - math.log((1 - p) / (n - 1)))
    assert mutual_information(matrix)["mi"] == pytest.approx(expected)


def test_uninformative_model_gives_zero():
    frames = random_log_probs([6], 4)[0]
    matrix = log_likelihood_matrix([frames] * 3, [[1, 2], [3], [2, 1]])
    # Every x has the same q, so rows are equal and the double sum cancels.
    assert mutual_information(matrix)["mi"] == pytest.approx(0, abs=1e-12)


def test_texts_without_a_path_are_left_out_and_counted():
    matrix = log_likelihood_matrix(random_log_probs([5, 2], 3), [[1], [1, 1, 1]])
    found = mutual_information(matrix)
    assert math.isfinite(found["mi"])
    assert found["infeasible"] == 50
    assert (found["pairs"], found["pairs_left_out"]) == (2, 2)


def test_float32_agrees_with_float64():
    log_probs = random_log_probs([300, 200], 8, seed=2)
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(1, 8, (s,), generator=generator).tolist() for s in (60, 90)]
    exact = log_likelihood_matrix(log_probs, texts)
    found = log_likelihood_matrix([frames.float() for frames in log_probs], texts)
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-3)


def test_texts_of_several_blocks_keep_their_order(monkeypatch):
    log_probs = random_log_probs([12] * 5, 5, seed=3)
    texts = [[1, 2, 2], [3], [4, 4], [1], [2, 3]]
    expected = log_likelihood_matrix(log_probs, texts)
    monkeypatch.setattr(ctc_likelihood, "BLOCK", 4)
    torch.testing.assert_close(log_likelihood_matrix(log_probs, texts), expected)


@pytest.mark.parametrize(
    ("frames", "texts", "message"),
    [
        ([3], [[1]], "1 utterance: mutual information takes two or more"),
        ([3, 3], [[1]], "2 utterances, but 1 texts"),
        ([3, 3], [[1], []], "an empty text has no labels"),
        ([3, 0], [[1], [2]], "utterance 1 has no frame"),
    ],
)
def test_bad_input_is_refused(frames, texts, message):
    with pytest.raises(ValueError, match=message):
        log_likelihood_matrix(random_log_probs(frames, 3), texts)


def test_nan_is_refused():
    log_probs = random_log_probs([3, 3], 3)
    log_probs[1][0, 0] = torch.nan
    with pytest.raises(ValueError, match="utterance 1 are NaN"):
        log_likelihood_matrix(log_probs, [[1], [2]])
    with pytest.raises(ValueError, match="2 utterances' own likelihood is NaN"):
        mutual_information(torch.full((2, 2), torch.nan))
    with pytest.raises(ValueError, match="No text has a CTC path"):
        mutual_information(torch.full((2, 2), -torch.inf))
    with pytest.raises(ValueError, match="3 utterance ids for 2 utterances"):
        mutual_information_estimates(torch.zeros(2, 2), ["a", "b", "c"])
