import numpy as np
import pytest
import soundfile
import torch

from espnet_st.slmtokbench.scorers.base import Item, NotScored
from espnet_st.slmtokbench.scorers.resemblyzer import ResemblyzerEncoder
from espnet_st.slmtokbench.scorers.speaker import (
    SpeakerEncoder,
    contrast_by_utterance,
    cosine,
    paired_similarity,
    similarity_within,
)
from espnet_st.slmtokbench.scorers.wavlm import WavLMEncoder


def test_cosine():
    assert cosine([1, 0], [2, 0]) == pytest.approx(1)
    assert cosine([1, 0], [0, 3]) == pytest.approx(0)


def test_pairs_are_those_in_both():
    found = paired_similarity({"u": [1, 0], "v": [1, 0]}, {"u": [0, 1]})
    assert found == {"u": pytest.approx(0)}


def test_similarity_within_speakers_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    voices = {
        speaker: {f"{speaker}{n}": list(rng.normal(size=4)) for n in range(count)}
        for speaker, count in (("ann", 3), ("bob", 2), ("eve", 1))
    }
    pairs = [
        cosine(one, other)
        for group in map(list, map(dict.values, voices.values()))
        for i, one in enumerate(group)
        for other in group[:i]
    ]
    found = similarity_within(voices)
    assert set(found) == {"ann0", "ann1", "ann2", "bob0", "bob1"}
    total, others = np.array(list(found.values())).sum(axis=0)
    assert total / others == pytest.approx(np.mean(pairs)) and others == 2 * len(pairs)


def test_contrast_between_the_wanted_and_other_voices():
    voices = {"ann": [[1, 0], [2, 0]], "bob": [[0, 1]]}
    speakers = {"u": "ann", "v": "bob", "w": "eve"}
    found = contrast_by_utterance(dict.fromkeys("uvwx", [1, 0]), speakers, voices)
    assert found == {"u": (1, 0, 100), "v": (0, 1, 0)}


def test_contrast_is_the_mean_of_the_cosines():
    rng = np.random.default_rng(1)
    voices = {name: list(rng.normal(size=(3, 5))) for name in ("ann", "bob", "eve")}
    made = list(rng.normal(size=5))
    own, others, nearest = contrast_by_utterance({"u": made}, {"u": "bob"}, voices)["u"]
    means = {k: np.mean([cosine(made, one) for one in v]) for k, v in voices.items()}
    assert own == pytest.approx(means["bob"])
    assert others == pytest.approx((means["ann"] + means["eve"]) / 2)
    assert (nearest == 100) == (max(means, key=means.get) == "bob")


def test_contrast_needs_two_voices():
    with pytest.raises(ValueError, match="two at least"):
        contrast_by_utterance({"u": [1, 0]}, {"u": "ann"}, {"ann": [[1, 0]]})


@pytest.fixture
def buzz():
    time = np.arange(32000) / 16000
    buzz = 0.2 * np.sign(np.sin(2 * np.pi * 120 * time)) * np.sin(2 * np.pi * 3 * time)
    return buzz.astype(np.float32)


def measure(encoder, wav, folder):
    path = folder / "a.wav"
    soundfile.write(path, wav, 16000, subtype="FLOAT")
    return encoder.measure(Item("u", path))


def test_embedding_has_norm_one_and_silence_is_refused(buzz, tmp_path):
    pytest.importorskip("resemblyzer")
    encoder = ResemblyzerEncoder({})
    assert np.linalg.norm(measure(encoder, buzz, tmp_path)) == pytest.approx(
        1, abs=1e-3
    )
    with pytest.raises(ValueError, match="silent"):
        measure(encoder, np.zeros(16000), tmp_path)


def test_an_embedding_of_zeros_is_refused(buzz, tmp_path):
    class Zeros(SpeakerEncoder):
        name, measures = "zeros", "nothing"

        def __init__(self, settings): ...

        def embed(self, wav):
            return np.zeros(4)

    with pytest.raises(ValueError, match="all zeros"):
        measure(Zeros({}), buzz, tmp_path)


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    """A directory with a tiny random WavLM-TDNN and its feature extractor."""
    transformers = pytest.importorskip("transformers")
    directory = tmp_path_factory.mktemp("wavlm")
    torch.manual_seed(0)
    config = transformers.WavLMConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        tdnn_dim=(8, 8, 8, 8, 16),
        xvector_output_dim=12,
    )
    transformers.WavLMForXVector(config).save_pretrained(directory)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(directory)
    return directory


def test_wavlm_embeds_with_the_model_of_a_directory(wavlm, buzz, tmp_path):
    encoder = WavLMEncoder({"wavlm_model": str(wavlm)})
    found = measure(encoder, buzz, tmp_path)
    assert len(found) == 12
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-4)
    assert measure(encoder, buzz, tmp_path) == found
    inputs = encoder.extractor(buzz, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        expected = encoder.model(**inputs).embeddings[0]
    assert cosine(found, expected.tolist()) == pytest.approx(1, abs=1e-6)


def test_too_short_for_wavlm_is_named(wavlm, buzz, tmp_path):
    encoder = WavLMEncoder({"wavlm_model": str(wavlm)})
    least = 400 + 15 * 320  # 16 frames: 15 for the layers, one more for a deviation
    assert np.isfinite(measure(encoder, buzz[5000 : 5000 + least], tmp_path)).all()
    with pytest.raises(ValueError, match="give 15 frames, and WavLM-TDNN needs 16"):
        measure(encoder, buzz[5000 : 5000 + least - 1], tmp_path)


def test_missing_weights_are_not_scored_and_how_to_get_them(tmp_path):
    with pytest.raises(NotScored, match="not on this machine: fetch them with `hf dow"):
        WavLMEncoder({"wavlm_model": str(tmp_path / "wavlm")})
