import pytest

from espnet_st.slmtokbench.cache import RowCache
from espnet_st.slmtokbench.scorers import scoring as measuring
from espnet_st.slmtokbench.scorers.base import Item, NotScored
from espnet_st.slmtokbench.scorers.scoring import Job, build_scorer, measure_jobs


class Length:
    """Measures the size of a file; fails on empty ones."""

    name = "length"
    calls = 0

    def measure(self, item):
        Length.calls += 1
        size = item.wav.stat().st_size
        if size == 0:
            raise ValueError("empty")
        return size


@pytest.fixture
def job(tmp_path, monkeypatch):
    def build(name, settings):
        if name == "absent":
            raise NotScored("no weights")
        return Length()

    monkeypatch.setattr(measuring, "build_scorer", build)
    monkeypatch.setattr(measuring, "_built", {})
    Length.calls = 0
    items = []
    for index in range(11):
        path = tmp_path / f"{index}.wav"
        path.write_bytes(b"x" * index)
        items.append(Item(f"u{index}", path))
    return Job("length", "original", tuple(items))


def test_values_failures_and_missing_scorers(job, tmp_path):
    absent = Job("absent", "original", job.items)
    rows, missing = measure_jobs([job, absent], {}, RowCache(tmp_path / "rows"))
    row = rows["length", "original"]
    assert row.values == {f"u{i}": i for i in range(1, 11)}
    assert row.failed == {"u0": "empty"}
    assert missing == {"absent": "no weights"}
    assert ("absent", "original") not in rows


def test_finished_rows_are_not_measured_again(job, tmp_path):
    cache = RowCache(tmp_path / "rows")
    first, _ = measure_jobs([job], {}, cache)
    second, _ = measure_jobs([job], {}, cache)
    assert Length.calls == len(job.items)
    assert second == first


def test_a_changed_file_is_measured_again(job, tmp_path):
    cache = RowCache(tmp_path / "rows")
    measure_jobs([job], {}, cache)
    job.items[0].wav.write_bytes(b"longer")
    rows, _ = measure_jobs([job], {}, cache)
    assert rows["length", "original"].values["u0"] == 6


def test_a_killed_run_keeps_its_finished_rows(job, tmp_path, monkeypatch):
    cache = RowCache(tmp_path / "rows")
    other = Job("length", "copy", job.items)

    class Killed(BaseException):
        pass

    def killed_after_one(chunks, settings, nj):
        for key, part in chunks:
            if key[1] == "copy":
                raise Killed
            yield key, part, measuring.measure_chunk(key[0], settings, part)

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "_run", killed_after_one)
        with pytest.raises(Killed):
            measure_jobs([job, other], {}, cache)
    calls = Length.calls
    rows, _ = measure_jobs([job, other], {}, cache)
    assert Length.calls == calls + len(job.items)
    assert rows["length", "copy"].values == rows["length", "original"].values


def test_half_written_rows_do_not_count(tmp_path):
    cache = RowCache(tmp_path)
    cache.put("pesq", "rvq1", "stamp", {"a": 1})
    (tmp_path / "pesq" / "rvq1.partial").write_text("{")
    assert cache.get("pesq", "rvq1", "stamp") == {"a": 1}
    assert cache.get("pesq", "rvq1", "another") is None


def test_unknown_scorer_is_named():
    with pytest.raises(ValueError, match="'mosnet'"):
        build_scorer("mosnet", {})
