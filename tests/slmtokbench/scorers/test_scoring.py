import pytest

from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.scorers import scoring
from espnet_st.slmtokbench.scorers.base import (
    SCORERS,
    Item,
    NotScored,
    Scorer,
    Setting,
    register,
)
from espnet_st.slmtokbench.scorers.registry import (
    all_scorers,
    build_scorer,
    find_scorer,
)
from espnet_st.slmtokbench.scorers.scoring import Job, job_stamp, measure_jobs


@pytest.fixture
def length(monkeypatch):
    """A scorer that counts its calls: adding one takes one class."""
    all_scorers()
    monkeypatch.setattr(scoring, "_built", {})

    @register
    class Length(Scorer):
        """Measure the size of a file; fail on empty ones."""

        name, kind, measures = "length", "quality", "bytes, {unit} of them"
        settings = (Setting("unit", 1),)
        calls = 0

        def __init__(self, settings):
            self.unit = settings.get("unit", 1)

        def measure(self, item):
            Length.calls += 1
            size = item.wav.stat().st_size
            if size == 0:
                raise ValueError("empty")
            return size / self.unit

    @register
    class Absent(Length):
        name, settings = "absent", ()

        def __init__(self, settings):
            raise NotScored("no weights")

    yield Length
    del SCORERS["length"], SCORERS["absent"]


@pytest.fixture
def job(tmp_path, length):
    items = []
    for index in range(11):
        path = tmp_path / f"{index}.wav"
        path.write_bytes(b"x" * index)
        items.append(Item(f"u{index}", path))
    return Job("length", "original", tuple(items))


def test_values_failures_and_missing_scorers(job, tmp_path):
    absent = Job("absent", "original", job.items)
    scores, missing = measure_jobs([job, absent], {}, ScoreCache(tmp_path / "cache"))
    measured = scores["length", "original"]
    assert measured.values == {f"u{i}": i for i in range(1, 11)}
    assert measured.failed == {"u0": "empty"}
    assert missing == {"absent": "no weights"}
    assert ("absent", "original") not in scores


def test_finished_jobs_are_not_measured_again(job, length, tmp_path):
    cache = ScoreCache(tmp_path / "cache")
    first, _ = measure_jobs([job], {}, cache)
    second, _ = measure_jobs([job], {}, cache)
    assert length.calls == len(job.items)
    assert second == first


def test_a_scorers_own_setting_counts_and_no_other(job, length, tmp_path):
    cache = ScoreCache(tmp_path / "cache")
    measure_jobs([job], {"whisper_model": "tiny"}, cache)
    measure_jobs([job], {"whisper_model": "medium"}, cache)
    assert length.calls == len(job.items), "the Whisper model is none of its business"
    scores, _ = measure_jobs([job], {"unit": 2}, cache)
    assert length.calls == 2 * len(job.items)
    assert scores["length", "original"].values["u10"] == 5


@pytest.mark.parametrize(
    ("scorer", "changes", "same"),
    [
        ("pesq", {"whisper_model": "b"}, True),
        ("pesq", {"wavlm_model": "b", "language_model": "general"}, True),
        ("resemblyzer", {"wavlm_model": "b", "whisper_model": "b"}, True),
        ("wavlm", {"whisper_model": "b"}, True),
        ("wavlm", {"wavlm_model": "b"}, False),
        ("whisper", {"wavlm_model": "b", "corpus_lm": "elsewhere"}, True),
        ("whisper", {"whisper_model": "b"}, False),
        ("pocketsphinx", {"whisper_model": "b"}, True),
        ("pocketsphinx", {"language_model": "general"}, False),
        ("pocketsphinx", {"corpus_lm": "elsewhere"}, False),
    ],
)
def test_a_cached_score_depends_on_what_its_scorer_reads(
    tmp_path, scorer, changes, same
):
    before = dict(
        whisper_model="a", wavlm_model="a", language_model="corpus", corpus_lm="lm"
    )
    job = Job(scorer, "x", (Item("u", tmp_path / "a.wav"),))
    stamps = [job_stamp(job, settings) for settings in (before, before | changes)]
    assert (stamps[0] == stamps[1]) is same


@pytest.mark.parametrize("scorer", ["pesq", "whisper", "wavlm"])
def test_originals_and_texts_count_where_they_are_read(tmp_path, scorer):
    wav, other = tmp_path / "a.wav", tmp_path / "b.wav"
    items = [Item("u", wav, wav, "a"), Item("u", wav, other, "a")]
    items.append(Item("u", wav, wav, "b"))
    settings = {"whisper_model": "a", "wavlm_model": "a"}
    one, original, text = (job_stamp(Job(scorer, "x", (i,)), settings) for i in items)
    assert (one != original) == (scorer == "pesq")
    assert (one != text) == (scorer == "whisper")


def test_a_changed_file_is_measured_again(job, tmp_path):
    cache = ScoreCache(tmp_path / "cache")
    measure_jobs([job], {}, cache)
    job.items[0].wav.write_bytes(b"longer")
    scores, _ = measure_jobs([job], {}, cache)
    assert scores["length", "original"].values["u0"] == 6


def test_a_killed_run_keeps_its_finished_scores(job, length, tmp_path, monkeypatch):
    cache = ScoreCache(tmp_path / "cache")
    other = Job("length", "copy", job.items)

    class Killed(BaseException):
        pass

    def killed_after_one(chunks, settings, nj):
        for key, part in chunks:
            if key[1] == "copy":
                raise Killed
            yield (key, part), scoring.measure_chunk(key[0], settings, part)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_run", killed_after_one)
        with pytest.raises(Killed):
            measure_jobs([job, other], {}, cache)
    calls = length.calls
    scores, _ = measure_jobs([job, other], {}, cache)
    assert length.calls == calls + len(job.items)
    assert scores["length", "copy"].values == scores["length", "original"].values


def test_half_written_scores_do_not_count(tmp_path):
    cache = ScoreCache(tmp_path)
    cache.put("pesq", "rvq1", "stamp", {"a": 1})
    (tmp_path / "pesq" / "rvq1.json.partial").write_text("{")
    assert cache.get("pesq", "rvq1", "stamp") == {"a": 1}
    assert cache.get("pesq", "rvq1", "another") is None


def test_unknown_scorers_and_kinds_are_named():
    with pytest.raises(ValueError, match="'mosnet'.*one of pesq, pocketsphinx"):
        build_scorer("mosnet", {})
    with pytest.raises(ValueError, match="Unknown quality 'wavlm'"):
        find_scorer("wavlm", "quality")


def test_every_scorer_says_all_about_itself():
    """Tables, list of scorers and configuration read nothing else."""
    known = all_scorers()
    assert set(known) >= {"pocketsphinx", "whisper", "resemblyzer", "wavlm", "stoi"}
    for name, scorer in known.items():
        assert scorer.name == name and scorer.measures
        assert scorer.title or scorer.kind != "quality"
        settings = {setting.name: setting.default for setting in scorer.settings}
        assert scorer.measures.format(**settings)
