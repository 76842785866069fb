import numpy as np
import pytest

from espnet_st.slmtokbench.tokens.coded_set import CodedSet
from espnet_st.slmtokbench.tokens.voices import layer_voices, nearest_voice

KEYS = [f"u{n}" for n in range(30)]
SPEAKERS = [f"s{n % 3}" for n in range(30)]


def test_separate_voices_are_all_right_and_noise_is_chance():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 9], [9, 0], [9, 9]])[np.arange(30) % 3]
    apart = nearest_voice(centres + rng.normal(size=(30, 2)), SPEAKERS, KEYS)
    assert apart.accuracy.value == 1
    assert apart.chance == pytest.approx(9 / 29)
    many = [f"u{n}" for n in range(900)]
    mixed = nearest_voice(
        rng.normal(size=(900, 4)), [f"s{n % 3}" for n in range(900)], many
    )
    assert mixed.accuracy.low < mixed.chance < mixed.accuracy.high


def test_equals_a_loop():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 3)) + np.eye(3)[np.arange(30) % 3] + 1000
    right = 0
    for i in range(30):
        others = [j for j in range(30) if j != i]
        nearest = min(others, key=lambda j: np.linalg.norm(vectors[i] - vectors[j]))
        right += SPEAKERS[i] == SPEAKERS[nearest]
    found = nearest_voice(vectors, SPEAKERS, KEYS)
    assert found.accuracy.value == pytest.approx(right / 30)
    assert (found.speakers, found.utterances) == (3, 30)


@pytest.mark.parametrize(
    ("vectors", "speakers", "message"),
    [
        (np.zeros((3, 2)), ["a", "a", "a"], "3 utterances of 1 speakers"),
        (np.zeros((2, 2)), ["a", "b"], "two utterances of one"),
        (np.zeros((1, 2)), ["a"], "1 utterances of 1 speakers"),
        (np.full((3, 2), np.nan), ["a", "a", "b"], "NaN or infinity"),
    ],
)
def test_too_few_are_refused(vectors, speakers, message):
    with pytest.raises(ValueError, match=message):
        nearest_voice(vectors, speakers, KEYS[: len(speakers)])


def test_the_layer_that_holds_the_speaker_is_found():
    rng = np.random.default_rng(2)
    speaker = {key: str(n % 2) for n, key in enumerate(KEYS)}
    codes = {
        key: np.stack([rng.integers(4, size=50), np.full(50, int(speaker[key]))])
        for key in KEYS
    }
    coded = CodedSet.of(codes, (4, 2), 50)
    found = layer_voices(coded, [np.eye(4)[:, :3], 5 * np.eye(3)[:2]], speaker)
    assert list(found) == ["rvq1", "rvq2"]
    assert found["rvq2"].accuracy.value == 1 > found["rvq1"].accuracy.value
    one = CodedSet.of({key: line[:1] for key, line in codes.items()}, 4, 50)
    assert list(layer_voices(one, [np.eye(4)], speaker)) == ["rvq1"]
    with pytest.raises(ValueError, match=r"codebooks of \(3,\) vectors"):
        layer_voices(one, [np.eye(3)], speaker)
