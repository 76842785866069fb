import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scorer_examples import EXAMPLES

from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.scorers import workers
from espnet_st.slmtokbench.scorers.base import SCORERS, Item
from espnet_st.slmtokbench.scorers.registry import (
    all_scorers,
)
from espnet_st.slmtokbench.scorers.scoring import Job, job_stamps, measure_jobs

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    all_scorers()
    for name, scorer in EXAMPLES.items():
        monkeypatch.setitem(SCORERS, name, scorer)


class Run:
    """Files of growing size, and what was measured of them."""

    def __init__(self, folder):
        self.folder = folder
        self.settings = {"log": str(folder / "log")}
        self.cache = ScoreCache(folder / "cache")
        self.items = []
        for index in range(11):
            self.add(b"x" * index)

    def add(self, content):
        name = f"u{len(self.items)}"
        path = self.folder / f"{name}.wav"
        path.write_bytes(content)
        self.items.append(Item(name, path))
        return name

    def measure(self, *jobs, nj=0, timeout=60.0, **settings):
        jobs = [Job(*job, tuple(self.items)) for job in jobs or [("size", "original")]]
        return measure_jobs(jobs, self.settings | settings, self.cache, nj, timeout)

    @property
    def calls(self):
        """Utterances measured so far, in their order."""
        path = Path(self.settings["log"])
        if not path.is_file():
            return []
        return [line.split()[0] for line in path.read_text().splitlines()]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_values_failures_and_missing_scorers(run):
    scores, missing = run.measure(("size", "original"), ("absent", "original"))
    measured = scores["size", "original"]
    assert measured.values == {f"u{i}": i for i in range(1, 11)}
    assert measured.failed == {"u0": "empty"}
    assert missing == {"absent": "no weights"}
    assert ("absent", "original") not in scores


@pytest.mark.parametrize("nj", [0, 2])
def test_the_bar_ends_full_though_a_scorer_is_missing(run, capsys, nj):
    run.measure(("size", "original"), ("absent", "original"), nj=nj)
    last = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    assert "100%" in last and "11/11" in last


def test_finished_rows_are_not_measured_again(run):
    first, second = run.measure(), run.measure()
    assert len(run.calls) == len(run.items)
    assert second == first


def test_another_utterance_is_measured_alone(run):
    run.measure()
    name = run.add(b"some more")
    scores, _ = run.measure()
    assert run.calls[len(run.items) - 1 :] == [name]
    assert scores["size", "original"].values[name] == 9
    run.items.pop(3)
    scores, _ = run.measure()
    assert len(run.calls) == len(run.items) + 1, "fewer need none"
    assert "u3" not in scores["size", "original"].values


def test_a_changed_file_is_measured_alone(run):
    run.measure()
    run.items[0].wav.write_bytes(b"longer")
    scores, _ = run.measure()
    assert scores["size", "original"].values["u0"] == 6
    assert run.calls[len(run.items) :] == ["u0"]


def test_a_scorers_own_setting_counts_and_no_other(run):
    run.measure(whisper_model="tiny")
    run.measure(whisper_model="medium")
    assert len(run.calls) == len(run.items), "the Whisper model is none of its business"
    scores, _ = run.measure(unit=2)
    assert len(run.calls) == 2 * len(run.items)
    assert scores["size", "original"].values["u10"] == 5


def test_what_is_no_number_is_named_and_kept(run):
    names = [run.add(b) for b in (b"nan", b"inf", b"deep nan", b"silent failure")]
    wild = ("wild", "x")
    measured = run.measure(wild)[0]["wild", "x"]
    assert not set(names) & set(measured.values)
    assert measured.failed[names[0]] == "wild gave nan, which is not finite"
    assert all("not finite" in measured.failed[name] for name in names[:3])
    assert measured.failed[names[3]] == "ValueError"
    calls = len(run.calls)
    assert run.measure(wild)[0]["wild", "x"] == measured
    assert len(run.calls) == calls


def test_want_of_memory_is_tried_again(run):
    name = run.add(b"memory")
    for _ in range(2):
        found = run.measure(("wild", "x"))[0]["wild", "x"]
        assert found.failed[name] == "out of memory: no more"
    assert run.calls.count(name) == 2


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A run whose scorers crashed and hung, among good files."""
    run = Run(tmp_path_factory.mktemp("crashed"))
    names = {}
    for content in ("segfault", "hang"):
        names[content] = run.add(content.encode())
        run.add(b"good")
    with pytest.MonkeyPatch.context() as patch:
        for name, scorer in EXAMPLES.items():
            patch.setitem(SCORERS, name, scorer)
        jobs = [("wild", "x"), ("size", "x"), ("dies_loading", "x"), ("absent", "x")]
        scores, missing = run.measure(*jobs, nj=2, timeout=8.0)
    return run, names, scores, missing


def test_crashing_items_are_named_and_all_others_measured(crashed):
    run, names, scores, _ = crashed
    found = scores["wild", "x"]
    assert found.failed == {
        "u0": "empty",
        names["segfault"]: "the process of wild died (SIGSEGV)",
        names["hang"]: "not done within 8 s",
    }
    assert found.values.keys() | found.failed.keys() == {i.utt_id for i in run.items}
    assert len(scores["size", "x"].values) == len(run.items) - 1
    # It may not have been the item's fault: it is tried in another process.
    assert run.calls.count(names["segfault"]) == 2 + 1  # and once by the other scorer


def test_a_scorer_whose_loading_crashes_is_missing(crashed):
    _, _, scores, missing = crashed
    assert missing == {
        "dies_loading": "its process died (exit code 5) as it was loaded",
        "absent": "no weights",
    }
    assert ("dies_loading", "x") not in scores


def test_what_crashed_is_tried_again_in_the_next_run_and_nothing_else(crashed):
    run, names, _, _ = crashed
    items = {item.utt_id: item for item in run.items}
    assert run.cache.rows("wild", "x").keys() == items.keys() - names.values()
    for name in names.values():
        items[name].wav.write_bytes(b"repaired")
    before = len(run.calls)
    found = run.measure(("wild", "x"))[0]["wild", "x"]
    assert run.calls[before:] == list(names.values())
    assert found.failed == {"u0": "empty"}


def test_a_scorer_that_always_crashes_is_given_up(run, monkeypatch):
    monkeypatch.setattr(workers, "MOST_DEATHS", 1)
    run.items.clear()
    names = [run.add(b"kill") for _ in range(3)]
    failed = run.measure(("wild", "x"), nj=1)[0]["wild", "x"].failed
    assert failed[names[0]] == "the process of wild died (SIGKILL)"
    reason = "not tried: 1 processes of wild had died before"
    assert failed[names[1]] == failed[names[2]] == reason


SCRIPT = """
import sys
from pathlib import Path
from scorer_examples import EXAMPLES
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.scorers.base import SCORERS, Item
from espnet_st.slmtokbench.scorers.scoring import Job, measure_jobs
SCORERS.update(EXAMPLES)
folder = Path(sys.argv[1])
items = tuple(Item(f"u{n}", folder / f"u{n}.wav") for n in range(11))
job = Job("slow", "x", items)
measure_jobs([job], {"log": str(folder / "log")}, ScoreCache(folder / "cache"), nj=1)
"""


def test_a_killed_run_loses_what_it_was_at(run):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", SCRIPT, str(run.folder)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        limit = time.monotonic() + 300
        while len(run.calls) < 4 and time.monotonic() < limit:
            time.sleep(0.02)
        process.kill()
    before = run.calls
    assert 4 <= len(before) < len(run.items)
    scores, _ = run.measure(("slow", "x"))
    assert len(scores["slow", "x"].values) == 10
    again = len(run.calls) - len(run.items)
    assert again <= 2, "the one it was at, and one that may have begun since"
    # Its process has nobody to work for, and ends.
    worker = int(Path(run.settings["log"]).read_text().split()[1])
    limit = time.monotonic() + 60
    while time.monotonic() < limit and Path(f"/proc/{worker}").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists() or _is_zombie(worker)


def _is_zombie(pid):
    return ") Z" in Path(f"/proc/{pid}/stat").read_text()


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
        ("versa", {"versa_figures": ("estoi",)}, False),
        ("versa", {"whisper_model": "b"}, True),
    ],
)
def test_a_cached_score_depends_on_what_its_scorer_reads(
    tmp_path, scorer, changes, same
):
    before = dict(
        whisper_model="a", wavlm_model="a", language_model="corpus", corpus_lm="lm"
    )
    job = Job(scorer, "x", (Item("u", tmp_path / "a.wav"),))
    stamps = [job_stamps(job, settings) for settings in (before, before | changes)]
    assert (stamps[0] == stamps[1]) is same


@pytest.mark.parametrize("scorer", ["pesq", "whisper", "wavlm", "dnsmos"])
def test_originals_and_texts_count_where_they_are_read(tmp_path, scorer):
    wav, other = tmp_path / "a.wav", tmp_path / "b.wav"
    items = [Item("u", wav, wav, "a"), Item("u", wav, other, "a")]
    items.append(Item("u", wav, wav, "b"))
    settings = {"whisper_model": "a", "wavlm_model": "a"}
    one, original, text = job_stamps(Job(scorer, "x", tuple(items)), settings)
    assert (one != original) == (scorer == "pesq")
    assert (one != text) == (scorer == "whisper")
