"""Scores that are kept: torn lines, old rows, half-written files."""

from espnet_st.slmtokbench.cache import Row, ScoreCache


def test_a_torn_line_is_passed_over_and_repaired(tmp_path):
    cache, path = ScoreCache(tmp_path), tmp_path / "pesq" / "x.jsonl"
    for key in "abc":
        cache.append("pesq", "x", Row(key, "stamp", value=ord(key)))
    whole = path.read_text()
    path.write_text(whole[:-7])
    assert cache.rows("pesq", "x").keys() == {"a", "b"}
    cache.append("pesq", "x", Row("c", "stamp", failed="silent"))
    found = cache.rows("pesq", "x")
    assert (found["b"].value, found["c"].failed) == (98, "silent")
    for damage in ("[1, 2]\n", '{"key": "a"}\n', "\x00\n"):
        path.write_text(damage + whole)
        assert cache.rows("pesq", "x").keys() == {"a", "b", "c"}
        assert path.read_text() == whole


def test_rows_that_do_not_count_any_more_are_cleared(tmp_path):
    cache, path = ScoreCache(tmp_path), tmp_path / "pesq" / "x.jsonl"
    for number in range(20):
        for key in "ab":
            cache.append("pesq", "x", Row(key, "stamp", value=number))
    assert {row.value for row in cache.rows("pesq", "x").values()} == {19}
    assert len(path.read_text().splitlines()) == 2


def test_half_written_scores_do_not_count(tmp_path):
    cache = ScoreCache(tmp_path)
    cache.put("alignment", "rvq1", "stamp", {"a": 1})
    (tmp_path / "alignment" / "rvq1.json.partial").write_text("{")
    assert cache.get("alignment", "rvq1", "stamp") == {"a": 1}
    assert cache.get("alignment", "rvq1", "another") is None
