"""Scores of synthetic raters whose means are known, and the command's files."""

import csv
import json

import numpy as np
import pytest

from espnet_st.bin.listening_scores import main
from espnet_st.slmtokbench.listening.answers import read_answers, read_key
from espnet_st.slmtokbench.listening.scores import (
    compare_systems,
    resampled_mean,
    score_systems,
    student_half_width,
    verdict,
)

MEANS = {"Groundtruth": 96, "Good": 70, "Bad": 40}


def rater(seed):
    """Rates around the means, with a leaning and a spread of its own."""
    rng = np.random.default_rng(seed)
    leaning = rng.normal(0, 2)
    return lambda system, item: np.clip(
        round(
            MEANS[system.replace("|", "")] + leaning + 3 * item - 4.5 + rng.normal(0, 2)
        ),
        1,
        100,
    )


def test_scores_are_the_means_and_intervals_hold_them(make_key, answer):
    file = make_key()
    key = read_key(file)
    paths = [answer(file, f"r{seed}", rater(seed)) for seed in range(8)]
    scores = score_systems(read_answers(paths, key), key)
    assert list(scores) == list(MEANS)
    for system, mean in MEANS.items():
        found = scores[system]
        assert found.ratings == 32
        assert found.mean.value == pytest.approx(mean, abs=3)
        assert found.mean.low < found.mean.value < found.mean.high
        assert system == "Groundtruth" or found.mean.low < mean < found.mean.high
    pairs = compare_systems(scores)
    assert list(pairs) == [
        ("Groundtruth", "Good"),
        ("Groundtruth", "Bad"),
        ("Good", "Bad"),
    ]
    better = pairs["Good", "Bad"]
    assert better.low < 30 < better.high and verdict("G", "B", better).startswith("G")


def test_differences_are_paired_over_raters_and_items(make_key, answer):
    """Raters and items that differ by much more than the systems do."""
    offset = np.random.default_rng(0).integers(-9, 9, 50)

    def one(seed):
        return lambda system, item: (
            45 + offset[seed] + 10 * item + (0 if system == "Good" else 1)
        )

    file = make_key("mushra", systems=("Groundtruth", "Good"))
    key = read_key(file)
    paths = [answer(file, f"r{seed}", one(seed)) for seed in range(6)]
    scores = score_systems(read_answers(paths, key), key)
    difference = compare_systems(scores)["Groundtruth", "Good"]
    assert scores["Good"].mean.high - scores["Good"].mean.low > 5
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (1, 1, 1)
    )


def test_intervals_cover_the_mean_over_raters_and_items():
    rng = np.random.default_rng(1)
    covered = widths = by_t = 0
    trials = 200
    for trial in range(trials):
        table = (
            rng.normal(0, 1, (10, 1)) + rng.normal(0, 1, (1, 12))
            + rng.normal(0, 1, (10, 12))
        )  # fmt: skip
        names = ([f"{trial}-{i}" for i in range(n)] for n in table.shape)
        found = resampled_mean(table, *names, seed=0)
        covered += found.low <= 0 <= found.high
        widths += found.high - found.low
        by_t += abs(table.mean()) <= student_half_width(table)
    assert 0.88 <= covered / trials <= 0.99
    true = np.sqrt(1 / 10 + 1 / 12 + 1 / 120)
    assert widths / trials == pytest.approx(2 * 1.96 * true, rel=0.2)
    assert by_t / trials < 0.7  # ratings are not independent


def test_one_rater_leaves_the_spread_of_items():
    table = np.array([[1.0, 2.0, 3.0, 4.0]])
    found = resampled_mean(table, ["r"], list("abcd"), 0)
    assert found.value == 2.5 and 1 <= found.low < 2.5 < found.high <= 4


def test_students_interval_is_that_of_the_recommendation():
    # t(0.975, 9) = 2.262, from any table.
    table = np.arange(10.0)[None]
    expected = 2.262 * np.std(table, ddof=1) / np.sqrt(10)
    assert student_half_width(table) == pytest.approx(expected, rel=1e-3)
    assert np.isnan(student_half_width(np.ones((1, 1))))


@pytest.fixture
def results(make_key, answer, tmp_path, capsys):
    file = make_key(systems=("Groundtruth", "Good", "B|ad"))
    paths = [answer(file, f"r{seed}", rater(seed)) for seed in range(4)]
    paths.append(answer(file, "lazy", lambda *_: 50, rater_id="Liz"))
    main(["--key", str(file), "--output_dir", str(tmp_path / "o"), *map(str, paths)])
    return tmp_path / "o", capsys.readouterr().out


def test_the_command_writes_json_markdown_and_csv(results):
    directory, printed = results
    assert {path.name for path in directory.iterdir()} == {
        "mushra-t1.json",
        "mushra-t1.md",
        "mushra-t1.csv",
        "mushra-t1-ratings.csv",
    }
    figures = json.loads((directory / "mushra-t1.json").read_text())
    assert (figures["raters"], figures["items"]) == (4, 4)
    assert figures["excluded"][0]["reason"] == "all sounds have the same rating"
    assert {one["verdict"] for one in figures["differences"]} == {
        "Groundtruth is rated higher",
        "Good is rated higher",
    }
    with (directory / "mushra-t1.csv").open(newline="") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    with (directory / "mushra-t1-ratings.csv").open(newline="") as file:
        ratings = list(csv.DictReader(file))
    assert len(ratings) == 4 * 4 * 3
    for system, row in rows.items():
        own = [int(one["rating"]) for one in ratings if one["system"] == system]
        assert float(row["mean"]) == pytest.approx(np.mean(own))
        assert figures["systems"][system]["value"] == pytest.approx(np.mean(own))
        half = figures["systems"][system]["itu_half_width"]
        assert float(row["itu_half_width"]) == pytest.approx(half)


def test_the_tables_can_be_read(results):
    directory, printed = results
    assert printed == (directory / "mushra-t1.md").read_text()
    assert "### MUSHRA (test t1)" in printed and "ITU-R BS.1534-3" in printed
    assert "Left out: lazy.json (Liz): all sounds have the same rating." in printed
    rows = [line for line in printed.splitlines() if line.startswith("|B\\|ad|")]
    assert len(rows) == 1
    assert "4 raters, 4 items, scale 1 to 100" in printed


def test_one_rater_alone_is_said(make_key, answer, tmp_path, capsys):
    file = make_key("mos")
    path = answer(file, "r", lambda system, item: 1 + (item + len(system)) % 5)
    main(["--key", str(file), "--output_dir", str(tmp_path / "o"), str(path)])
    printed = capsys.readouterr().out
    assert "One rater alone: the first interval is over items only." in printed
    assert "ITU-T P.1401" in printed
