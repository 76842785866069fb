"""From measurements to figures: each LM beside the first, the ground truth's lines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from espnet_st.slmtokbench.bootstrap import bootstrap, ratio
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.conditions import Condition
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.estimates import read_estimates, write_estimates
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.report.results import paper_tables
from espnet_st.slmtokbench.report.tables import zeroshot_table
from espnet_st.slmtokbench.scorers.base import Measurements
from espnet_st.slmtokbench.scorers.registry import quality_columns
from espnet_st.slmtokbench.speech_figures import SpeechFigures
from espnet_st.slmtokbench.speech_scores import SpeechScores, score_conditions
from espnet_st.slmtokbench.systems import read_systems

KEYS = [f"u{n}" for n in range(20)]
WORDS = "A B C D"


def recognized(*hypotheses):
    """The words of all utterances, in turn."""
    pairs = {
        key: {"reference": WORDS, "hypothesis": hypotheses[n % len(hypotheses)]}
        for n, key in enumerate(KEYS)
    }
    return Measurements(pairs, {})


@pytest.fixture
def recipe(tmp_path):
    """A recipe with a test set of two speakers."""
    raw = tmp_path / "dump/raw/test"
    (raw / "zeroshot").mkdir(parents=True)
    for name in ("wav.scp", "text"):
        (raw / name).write_text("".join(f"{key} {key}.wav\n" for key in KEYS))
    voices = "".join(f"{key} s{n % 2}\n" for n, key in enumerate(KEYS))
    for name in ("utt2spk", "zeroshot/utt2spk"):
        (raw / name).write_text(voices)
    return Recipe((), tmp_path / "dump", tmp_path / "data", "train", "dev", "test")


@pytest.fixture
def make(recipe):
    """Compute figures of three LMs, two resyntheses and a conversion."""
    text = recipe.test_dir / "text"
    conditions = [
        Condition("groundtruth", "", "Groundtruth", "", "original", text, text),
        Condition("a", "rvq1", "A", "RVQ-1", "resynthesis", Path("a"), text),
        Condition("b", "rvq1", "B", "RVQ-1", "resynthesis", Path("a"), text),
        Condition("a", "tts", "USLM", "A", "tts", Path("a"), text),
        Condition("b", "tts", "USLM", "B", "tts", Path("b"), text),
        Condition("c", "tts", "LM", "A", "tts", Path("c"), text),
        Condition("a", "vc_rvq2", "A", "RVQ-2", "conversion", Path("c"), text),
        Condition("prompt", "", "Prompt", "", "voice", text, None),
        Condition("source", "", "Source", "", "voice", text, None),
        Condition("reference", "", "Reference", "", "voice", text, None),
    ]

    def figures(words, voices=None, quality=None, **settings):
        scores = {("whisper", key): one for key, one in words.items()}
        for scorer, found in (("wavlm", voices), *(quality or {}).items()):
            for key, values in (found or {}).items():
                scores[scorer, key] = Measurements(dict(zip(KEYS, values)), {})
        speech = SpeechScores(conditions, scores, {}, {}, {})
        config = BenchmarkConfig(quality=tuple(quality or ()), **settings)
        made = SpeechFigures(speech, recipe, config)
        return made.all(), made.estimates

    return figures


def test_each_lm_is_set_beside_the_first(make):
    words = {"a_tts": "A B C D", "b_tts": "A B X X", "c_tts": "A B C X"}
    figures, _ = make({key: recognized(one) for key, one in words.items()})
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
    figures, _ = make({"b_tts": recognized("A"), "c_tts": recognized("A B")})
    assert not any("wer_above" in line for line in figures.values())


def test_the_ground_truths_similarity_is_measured_or_absent(make):
    assert "sim" not in make({})[0]["groundtruth"]["resynthesis"]
    voices = [[1.0, float(n)] for n in range(20)]
    line = make({}, {"groundtruth": voices})[0]["groundtruth"]["resynthesis"]
    assert line["sim"] == pytest.approx(1)


def test_dwer_counts_what_the_recogniser_hears_otherwise(make):
    """It errs in the original, too: by half of the words in every other utterance."""
    truth = recognized("A B C D", "A B X X")
    words = {"groundtruth": truth, "a_rvq1": truth}
    words["b_rvq1"] = recognized("A B C D", "A B X D")
    figures, estimates = make(words | {"a_tts": truth})
    assert figures["a_rvq1"]["wer"]["wer"] == 25
    assert figures["a_rvq1"]["dwer"]["wer"] == 0
    assert figures["b_rvq1"]["wer"]["wer"] == 12.5
    dwer = figures["b_rvq1"]["dwer"]
    assert (dwer["wer"], dwer["substitutions"], dwer["words"]) == (12.5, 10, 80)
    assert estimates["b", "rvq1", "dwer"].value == 12.5
    assert "dwer" not in figures["a_tts"], "its original is no recording of the prompt"


def test_dwer_is_absent_where_the_original_has_no_words(make):
    figures, _ = make({"groundtruth": recognized(""), "a_rvq1": recognized("A")})
    assert "dwer" not in figures["a_rvq1"] and figures["a_rvq1"]["wer"]["wer"] == 75


def test_every_figure_has_its_interval_from_the_paired_bootstrap(make, tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20, 4)) + np.repeat([[3, 0, 0, 0]], 20, axis=0)
    truth[1::2, 1] += 4  # two voices
    made = truth + 0.5 * rng.normal(size=truth.shape)
    conditions = ("groundtruth", "a_rvq1", "a_tts", "a_vc_rvq2")
    voices = dict.fromkeys(conditions, made.tolist())
    voices |= dict.fromkeys(("prompt", "source", "reference"), truth.tolist())
    mos = [{"dnsmos": n, "dnsmos_sig": 2.0, "dnsmos_bak": 3.0} for n in range(20)]
    mos = [one | {"dnsmos_p808": 1.0} for one in mos]
    quality = {"stoi": {"a_rvq1": [{"stoi": n / 20} for n in range(20)]}}
    quality["dnsmos"] = {key: mos for key in conditions}
    words = dict.fromkeys(conditions, recognized("A B", "A B C", "A B C D"))
    figures, estimates = make(words, voices, quality)

    opinion = {"dnsmos", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"}
    contrast = {"contrast_own", "contrast_others", "contrast_nearest"}
    expected = {
        ("groundtruth", ""): {"wer", *opinion},
        ("groundtruth", "resynthesis"): {"wer", "sim", *opinion},
        ("groundtruth", "tts"): {"wer", "sim", *contrast, *opinion},
        ("groundtruth", "conversion"): {"wer", "sim", *opinion},
        ("a", "rvq1"): {"wer", "dwer", "sim", "stoi", *opinion},
        ("a", "tts"): {"wer", "sim", *contrast, *opinion},
        ("a", "vc_rvq2"): {"wer", "sim", "sim_source", *opinion},
    }
    found = {}
    for system, part, name in estimates:
        found.setdefault((system, part), set()).add(name)
    assert found == expected
    for (system, part, name), one in estimates.items():
        line = figures["groundtruth"] if system == "groundtruth" else None
        line = (line[part] if part else line) if line else figures[f"{system}_{part}"]
        assert line["intervals"][name] == one.as_json()
        assert one.low <= one.value <= one.high
        if name in line and name not in ("wer", "dwer"):
            assert line[name] == one.value
    scored = {key: n / 20 for n, key in enumerate(KEYS)}
    expected_draws = bootstrap(scored, ratio).draws
    assert np.array_equal(estimates["a", "rvq1", "stoi"].draws, expected_draws)
    assert figures["a_rvq1"]["dnsmos"] == 9.5 and figures["a_tts"]["dnsmos_bak"] == 3
    assert figures["a_tts"]["contrast"].keys() == {
        *("own", "others", "nearest", "utterances"),
    }
    assert figures["a_tts"]["contrast"]["own"] > figures["a_tts"]["contrast"]["others"]

    write_estimates(tmp_path / "estimates.npz", estimates)
    assert read_estimates(tmp_path / "estimates.npz").keys() == estimates.keys()

    columns = quality_columns(["stoi", "dnsmos"], {})
    table = paper_tables(figures, [], columns)["reconstruction"]
    assert table.columns[4:] == ("STOI ↑", "DNSMOS ↑", *list(columns.values())[2:])
    assert table.rows[0][4:] == ("-", "9.50", "2.00", "3.00", "1.00")
    assert table.rows[1][4:6] == ("0.47", "9.50")


def test_quality_of_the_ground_truth_is_that_of_a_tables_utterances(make):
    opinion = dict.fromkeys(("dnsmos_sig", "dnsmos_bak", "dnsmos_p808"), 1.0)
    mos = [{"dnsmos": float(n), **opinion} for n in range(20)]
    quality = {"dnsmos": {"groundtruth": mos}}
    figures, _ = make({}, None, quality, max_utterances=1)
    line = figures["groundtruth"]
    assert line["dnsmos"] == 9.5
    assert line["resynthesis"]["dnsmos"] == int(line["resynthesis"]["dnsmos"])
    interval = line["resynthesis"]["intervals"]["dnsmos"]
    assert interval["low"] == interval["high"] == line["resynthesis"]["dnsmos"]


def test_the_ground_truth_of_conversion_is_that_of_its_sources(recipe):
    pairs = recipe.test_dir / "conversion"
    pairs.mkdir()
    (pairs / "text").write_text("u1-to-s0 a\nu1-to-s2 a\n")
    (pairs / "utt2src").write_text("u1-to-s0 u1\nu1-to-s2 u1\n")
    text = recipe.test_dir / "text"
    conditions = [
        Condition("groundtruth", "", "Groundtruth", "", "original", text, text),
        Condition(
            *("a", "vc_rvq2", "A", "RVQ-2", "conversion", text, pairs / "text"),
            utt2src=pairs / "utt2src",
        ),
    ]
    truth = {("whisper", "groundtruth"): recognized("A B C D", "A B X X")}
    speech = SpeechScores(conditions, truth, {}, {}, {})
    line = SpeechFigures(speech, recipe, BenchmarkConfig()).all()["groundtruth"]
    assert line["conversion"]["wer"]["wer"] == 50
    assert line["wer"]["wer"] == 25


def test_one_voice_has_no_contrast_and_one_utterance_no_width(make, recipe):
    (recipe.test_dir / "zeroshot/utt2spk").write_text("u0 s0\nu1 s0\n")
    voices = {"a_tts": [[1.0, 0.0]], "prompt": [[1.0, 1.0]]}
    figures, estimates = make({}, voices)
    assert figures["a_tts"]["contrast"] is None
    sim = estimates["a", "tts", "sim"]
    assert sim.low == sim.high == sim.value == pytest.approx(0.5**0.5)


def test_estimates_have_the_key_of_the_list_without_a_seed(recipe, tmp_path):
    path, text = tmp_path / "systems.yaml", recipe.test_dir / "text"
    path.write_text("- {key: a, label: A, codec: {config: a.yaml}}\n")
    (system,) = read_systems(path, tmp_path, tmp_path, seed=3)
    conditions = [
        Condition("groundtruth", "", "Groundtruth", "", "original", text, text),
        Condition(system.key, "rvq1", "A", "RVQ-1", "resynthesis", text, text),
    ]
    scores = {("whisper", "a_seed3_rvq1"): recognized("A")}
    speech = SpeechScores(conditions, scores, {}, {}, {})
    made = SpeechFigures(speech, replace(recipe, systems=(system,)), BenchmarkConfig())
    assert made.all()["a_seed3_rvq1"]["wer"]["wer"] == 75
    assert made.estimates.keys() == {("a", "rvq1", "wer")}


def test_nothing_in_common_has_no_figure(make):
    voices = {"a_rvq1": [], "groundtruth": [[1.0, 0.0]]}
    figures, estimates = make({}, voices)
    assert figures["a_rvq1"]["sim"] is None
    assert ("a", "rvq1", "sim") not in estimates


def test_opinions_are_asked_of_all_speech_and_comparisons_of_resynthesis(
    recipe, tmp_path
):
    """Jobs for all conditions; their files do not exist, which each job names."""
    text = recipe.test_dir / "text"
    wavs = recipe.test_dir / "wav.scp"
    originals = {key: Path(f"{key}.wav") for key in KEYS}
    conditions = [
        Condition("groundtruth", "", "Groundtruth", "", "original", wavs, text),
        Condition("a", "rvq1", "A", "RVQ-1", "resynthesis", wavs, text),
        Condition("a", "tts", "USLM", "A", "tts", wavs, text),
        Condition("a", "vc_rvq2", "A", "RVQ-2", "conversion", wavs, text),
        Condition("prompt", "", "Prompt", "", "voice", wavs, None),
        Condition("b", "rvq1", "B", "RVQ-1", "resynthesis", tmp_path / "no", text),
    ]
    config = BenchmarkConfig(
        quality=("mel", "stoi", "distillmos"),
        recognizers=(),
        speaker_encoders=(),
        quality_utterances=3,
        max_utterances=5,
    )
    pytest.importorskip("distillmos")
    cache = ScoreCache(tmp_path / "cache")
    speech = score_conditions(conditions, originals, config, {}, cache, nj=0)
    made = {"groundtruth", "a_rvq1", "a_tts", "a_vc_rvq2"}
    expected = {("distillmos", key) for key in made}
    expected |= {("stoi", "a_rvq1"), ("mel", "a_rvq1")}
    assert set(speech.scores) == expected
    for (scorer, key), measured in speech.scores.items():
        assert not measured.values and len(measured.failed) == 3
        assert "cannot read audio" in next(iter(measured.failed.values()))
        assert speech.failures[f"{scorer} on {key}"] == measured.failed
    assert speech.missing_conditions == {
        "b_rvq1": f"no {tmp_path / 'no'}; stage 7 makes it"
    }
