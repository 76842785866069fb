"""From measurements to figures: each LM beside the first, the ground truth's lines."""

from pathlib import Path

import pytest

from espnet_st.slmtokbench.conditions import Condition
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report.tables import zeroshot_table
from espnet_st.slmtokbench.scorers.base import Measurements
from espnet_st.slmtokbench.speech_figures import SpeechFigures
from espnet_st.slmtokbench.speech_scores import SpeechScores

KEYS = [f"u{n}" for n in range(20)]
WORDS = "A B C D"


def recognized(hypothesis):
    pair = {"reference": WORDS, "hypothesis": hypothesis}
    return Measurements(dict.fromkeys(KEYS, pair), {})


@pytest.fixture
def make(tmp_path):
    """Compute figures of three LMs from the words of each, and maybe voices."""
    raw = tmp_path / "dump/raw/test"
    raw.mkdir(parents=True)
    for name in ("wav.scp", "text"):
        (raw / name).write_text("".join(f"{key} {key}.wav\n" for key in KEYS))
    text = raw / "text"

    def figures(first, second, third, voices=None):
        conditions = [
            Condition("groundtruth", "Groundtruth", "", "original", text, text),
            Condition("a_tts", "USLM", "A", "tts", Path("a"), text),
            Condition("b_tts", "USLM", "B", "tts", Path("b"), text),
            Condition("c_tts", "LM", "A", "tts", Path("c"), text),
        ]
        scores = {
            ("whisper", key): recognized(words)
            for key, words in zip(("a_tts", "b_tts", "c_tts"), (first, second, third))
            if words is not None
        }
        if voices is not None:
            scores["wavlm", "groundtruth"] = Measurements(voices, {})
        speech = SpeechScores(conditions, scores, {}, {}, {})
        recipe = Recipe(
            (), tmp_path / "dump", tmp_path / "data", "train", "dev", "test"
        )
        return SpeechFigures(speech, recipe, BenchmarkConfig()).all()

    return figures


def test_each_lm_is_set_beside_the_first(make):
    figures = make("A B C D", "A B X X", "A B C X")
    assert "wer_above" not in figures["a_tts"]
    for key, points in (("b_tts", 50), ("c_tts", 25)):
        (other, above), *none = figures[key]["wer_above"].items()
        assert (other, above["points"], none) == ("USLM on A", points, [])
    table = zeroshot_table([figures[key] for key in ("a_tts", "b_tts", "c_tts")])
    assert [note.split(":")[0] for note in table.notes] == [
        "By word errors USLM on A is better"
    ] * 2
    assert "USLM on B's rate less USLM on A's is 50.0 points" in table.notes[0]


def test_without_the_first_there_is_nothing_to_compare(make):
    figures = make(None, "A B X X", "A B C X")
    assert not any("wer_above" in line for line in figures.values())


def test_the_ground_truths_similarity_is_measured_or_absent(make):
    assert "sim" not in make("A", None, None)["groundtruth"]["resynthesis"]
    voices = {key: [1.0, float(n)] for n, key in enumerate(KEYS)}
    line = make("A", None, None, voices)["groundtruth"]["resynthesis"]
    assert line["sim"] == pytest.approx(1)
