from collections import Counter

import numpy as np
import pytest

from espnet_st.slmtokbench.tokens import unit_lm
from espnet_st.slmtokbench.tokens.unit_lm import UnitLM, unit_lm_terms


def reference(train, vocabulary, history, code, order):
    """The formula of the module's docstring, word by word."""
    probability = 1 / vocabulary
    for k in range(1, min(order, len(history) + 1) + 1):
        grams = Counter(
            tuple(s[i : i + k]) for s in train for i in range(len(s) - k + 1)
        )
        once, twice = (sum(c == n for c in grams.values()) for n in (1, 2))
        discount = (once + 0.5) / (once + 2 * twice + 1)
        h = tuple(history[len(history) - k + 1 :])
        after = {gram[-1]: c for gram, c in grams.items() if gram[:-1] == h}
        total = sum(after.values())
        if total:
            kept = max(after.get(code, 0) - discount, 0)
            probability = (kept + discount * len(after) * probability) / total
    return probability


def small_corpus():
    rng = np.random.default_rng(0)
    return [rng.choice(5, size=n, p=[0.5, 0.2, 0.2, 0.1, 0]) for n in (9, 30, 1, 14)]


@pytest.mark.parametrize("order", [1, 2, 4])
def test_equals_the_formula(order):
    train = small_corpus()
    model = UnitLM(train, 5, order)
    codes = np.array([0, 4, 4, 0, 1, 0, 0, 2, 3, 0, 0, 0])
    expected = [
        [reference(train, 5, codes[:t], codes[t], k) for t in range(len(codes))]
        for k in range(1, order + 1)
    ]
    np.testing.assert_allclose(model.probabilities(codes), expected, rtol=1e-12)


def test_probabilities_sum_to_one_after_any_context():
    model = UnitLM(small_corpus(), 5, 3)
    rng = np.random.default_rng(1)
    for length in (0, 1, 2, 3, 7):
        for _ in range(20):
            history = rng.integers(5, size=length)
            after = [
                model.probabilities(np.append(history, code))[:, -1]
                for code in range(5)
            ]
            np.testing.assert_allclose(np.sum(after, axis=0), 1.0, rtol=1e-12)
            assert np.min(after) > 0


def test_recovers_the_entropy_of_a_markov_chain():
    rng = np.random.default_rng(2)
    matrix = rng.dirichlet(np.full(8, 0.3), size=8)
    values, vectors = np.linalg.eig(matrix.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    entropy = -(stationary[:, None] * matrix * np.log2(matrix + 1e-300)).sum()

    def walk(n):
        codes = [rng.choice(8, p=stationary)]
        for _ in range(n - 1):
            codes.append(rng.choice(8, p=matrix[codes[-1]]))
        return np.array(codes)

    train = {f"a{n}": walk(500) for n in range(40)}
    test = {f"b{n}": walk(500) for n in range(10)}
    unigram, bigram, trigram = (
        sum(bits for bits, _ in terms.values()) / sum(n for _, n in terms.values())
        for terms in unit_lm_terms(test, train, 8, order=3)
    )
    assert bigram == pytest.approx(entropy, abs=0.05)
    assert trigram == pytest.approx(entropy, abs=0.08)
    assert unigram > entropy + 0.2


def test_codes_without_order_cost_the_size_of_the_codebook():
    rng = np.random.default_rng(3)
    sets = [{f"{s}{n}": rng.integers(16, size=400) for n in range(40)} for s in "ab"]
    bits = [
        sum(b for b, _ in terms.values()) / sum(n for _, n in terms.values())
        for terms in unit_lm_terms(*sets, 16, order=2)
    ]
    assert bits[0] == pytest.approx(4, abs=0.01)
    assert 4 < bits[1] < 4.05


def test_without_a_training_set_each_utterance_is_predicted_from_others():
    codes = {f"u{n}": np.full(10, n) for n in range(6)}
    terms = unit_lm_terms(codes, None, 6, order=1)[0]
    assert set(terms) == set(codes)
    # An utterance's own code is not in what its model was trained on, or in one other.
    for bits, n in terms.values():
        assert bits / n > 2


def test_large_codebooks_and_short_utterances():
    model = UnitLM([np.array([65535]), np.array([0])], 65536, 3)
    found = model.probabilities(np.array([65535, 65535, 7]))
    assert found.shape == (3, 3) and (found > 0).all()


def test_training_is_limited_by_seed(monkeypatch):
    monkeypatch.setattr(unit_lm, "MAX_FRAMES", 25)
    train = {f"a{n}": np.full(10, n) for n in range(8)}
    chosen = unit_lm._limited(train, seed=0)
    assert len(chosen) == 2
    assert [c[0] for c in chosen] == [c[0] for c in unit_lm._limited(train, seed=0)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UnitLM([], 4), "0 codes to train on"),
        (lambda: UnitLM([np.array([4])], 4), r"all of them in \[0, 3\]"),
        (lambda: UnitLM([np.array([0])], 4, 0), "n-grams of 0 codes"),
        (
            lambda: UnitLM([np.array([0])], 4).probabilities(np.array([-1])),
            r"lie in \[-1, -1\]; expected \[0, 3\]",
        ),
        (
            lambda: unit_lm_terms({"u": np.array([0])}, {"u": np.array([0])}, 4),
            "1 utterances, e.g. u, are both in the training set",
        ),
        (lambda: unit_lm_terms({"u": np.array([0])}, None, 4), "no training set"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
