import numpy as np
import pytest

from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.shares import shares
from espnet_st.slmtokbench.tokens.usage import (
    entropy_terms,
    layer_counts,
    layer_usage,
    token_rates,
)

CODED = CodedSet.of(
    {"u": [[0, 0, 1, 1], [5, 5, 5, 6]], "v": [[1, 1, 0, 0], [6, 6, 6, 5]]}, (4, 8), 2.0
)


def test_usage_by_hand():
    usage = layer_usage(layer_counts(CODED, 0))
    assert usage == {
        "codebook_size": 4,
        "used": 2,
        "unused": [2, 3],
        "entropy": pytest.approx(1),
        "perplexity": pytest.approx(2),
    }


def test_entropy_of_uniform_codes_and_its_terms():
    rng = np.random.default_rng(0)
    coded = CodedSet.of(
        {f"u{n}": rng.integers(64, size=(1, 900)) for n in range(40)}, 64, 50
    )
    counts = layer_counts(coded, 0)
    usage = layer_usage(counts)
    assert usage["entropy"] == pytest.approx(6, abs=0.01)
    estimate = shares({"entropy": entropy_terms(coded, 0, counts)})["entropy"]
    assert estimate.value == pytest.approx(usage["entropy"], abs=1e-12)
    assert estimate.low < estimate.value < estimate.high


def test_rates_by_hand():
    # 8 frames in 4 seconds; layer 1 has 4 runs, layer 2 has 4, frames of both 6.
    assert token_rates(CODED, [1.0, 1.0]) == {
        "frame_rate": 2.0,
        "seconds": 4.0,
        "tokens_per_second": 4.0,
        "deduplicated_tokens_per_second": 2.0,
        "deduplicated_layers": [1.0, 1.0],
        "deduplicated_frames_per_second": 1.5,
        "bit_rate": 2.0 * (2 + 3),
        "entropy_bit_rate": 4.0,
    }
