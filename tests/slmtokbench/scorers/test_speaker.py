import numpy as np
import pytest

from espnet_st.slmtokbench.scorers.base import NotScored
from espnet_st.slmtokbench.scorers.resemblyzer import ResemblyzerEncoder
from espnet_st.slmtokbench.scorers.speaker import (
    cosine,
    paired_similarity,
    voice_contrast,
)
from espnet_st.slmtokbench.scorers.wavlm import WavLMEncoder


def test_cosine():
    assert cosine([1, 0], [2, 0]) == pytest.approx(1)
    assert cosine([1, 0], [0, 3]) == pytest.approx(0)


def test_pairs_are_those_in_both():
    found = paired_similarity({"u": [1, 0], "v": [1, 0]}, {"u": [0, 1]})
    assert found == {"u": pytest.approx(0)}


def test_contrast_between_the_wanted_and_other_voices():
    voices = {"ann": [[1, 0]], "bob": [[0, 1]]}
    found = voice_contrast({"u": [1, 0], "v": [1, 0]}, {"u": "ann", "v": "bob"}, voices)
    assert (found["own"], found["others"], found["nearest"]) == (0.5, 0.5, 50)


def test_contrast_needs_two_voices():
    with pytest.raises(ValueError, match="two at least"):
        voice_contrast({"u": [1, 0]}, {"u": "ann"}, {"ann": [[1, 0]]})


def test_embedding_has_norm_one_and_silence_is_refused():
    pytest.importorskip("resemblyzer")
    encoder = ResemblyzerEncoder({})
    time = np.arange(32000) / 16000
    buzz = 0.2 * np.sign(np.sin(2 * np.pi * 120 * time)) * np.sin(2 * np.pi * 3 * time)
    assert np.linalg.norm(encoder.embed(buzz.astype(np.float32))) == pytest.approx(
        1, abs=1e-5
    )
    with pytest.raises(ValueError, match="silent"):
        encoder.embed(np.zeros(16000, dtype=np.float32))


def test_missing_weights_are_not_scored(tmp_path):
    with pytest.raises(NotScored, match="not on this machine"):
        WavLMEncoder({"wavlm_model": str(tmp_path / "wavlm")})
