"""Who is left out, at the boundary of each rule."""

import numpy as np
import pytest

from espnet_st.slmtokbench.listening.answers import read_answers, read_key
from espnet_st.slmtokbench.listening.screening import screen


@pytest.fixture
def reasons(make_key, answer):
    """Screens raters, given by what `answer` takes, and gives name to reason."""

    def screened(kind, n_items, raters, **options):
        file = make_key(kind, n_items)
        key = read_key(file)
        paths = [
            answer(file, name, *given)
            if isinstance(given, tuple)
            else answer(file, name, **given)
            for name, given in raters.items()
        ]
        found = screen(read_answers(paths, key), key, **options)
        out = {one.file.stem: why for one, why in found.excluded}
        assert {one.file.stem for one in found.kept} == set(raters) - set(out)
        return out

    return screened


def mushra(low_items, rating=89):
    """Rates the hidden reference low in the first items."""
    return lambda system, item: (
        (rating if item < low_items else 95) if system == "Groundtruth" else 40 + item
    )


def test_the_hidden_reference_may_be_low_in_15_percent_of_the_items(reasons):
    raters = {"in": (mushra(3),), "out": (mushra(4),), "at90": (mushra(20, 90),)}
    found = reasons("mushra", 20, raters)
    assert found == {"out": "the hidden reference is below 90 in 4 of 20 items"}


def test_with_few_items_one_low_reference_is_too_many(reasons):
    raters = {"one": (mushra(1),), "none": (mushra(0),)}
    assert list(reasons("mushra", 6, raters)) == ["one"]
    assert list(reasons("mushra", 7, raters)) == []  # 14.3 %


def test_unfinished_tests_do_not_count(reasons):
    part = {"rate": mushra(0), "finished": None, "ratings": {"0" * 16: 9}}
    raters = {"open": part, "saved": (mushra(0), None), "done": (mushra(0),)}
    assert reasons("mushra", 4, raters) == {
        "open": "unfinished: 1 of 12 sounds are rated"
    }


def test_of_one_rater_the_first_finished_test_counts(reasons):
    def given(time, **more):
        return {"rate": mushra(0), "finished": f"2026-01-0{time}T00:00:00Z", **more}

    raters = {
        "again": given(3, rater_id="ada"),
        "first": given(2, rater_id="Ada"),
        "other": given(1, rater_id="Bob"),
        "copy": given(4, session="session of other"),
        "unnamed": given(5),
        "unnamed2": given(5),
    }
    found = reasons("mushra", 4, raters)
    assert set(found) == {"again", "copy"}
    assert "first.json again; the first counts" in found["again"]
    assert "other.json again" in found["copy"]


def test_an_unfinished_test_does_not_stand_in_the_way_of_the_finished(reasons):
    raters = {
        "open": {"rate": mushra(0), "finished": None, "session": "s", "ratings": {}},
        "early": {"rate": mushra(0), "finished": None, "session": "s"},
        "done": {"rate": mushra(0), "session": "s"},
    }
    found = reasons("mushra", 4, raters)
    assert set(found) == {"open", "early"} and "done.json again" in found["early"]


@pytest.mark.parametrize("kind", ["mushra", "mos", "smos"])
def test_who_gives_one_rating_to_all_is_left_out(reasons, kind):
    high = {"mushra": 100}.get(kind, 5)

    def nearly(system, item):
        return high if system == "Groundtruth" or item else high - 1

    found = reasons(kind, 4, {"same": (lambda *_: high,), "nearly": (nearly,)})
    assert found == {"same": "all sounds have the same rating"}


MEANS = {"Groundtruth": 4.5, "Good": 3.5, "Bad": 1.5}


def careful(seed):
    rng = np.random.default_rng(seed)
    return lambda system, item: np.clip(round(MEANS[system] + rng.normal(0, 0.5)), 1, 5)


def upside_down(system, item):
    return 6 - round(MEANS[system] + 0.01)


@pytest.mark.parametrize("kind", ["mos", "smos"])
def test_who_contradicts_the_others_is_left_out(reasons, kind):
    raters = {f"r{i}": (careful(i),) for i in range(4)} | {"odd": (upside_down,)}
    found = reasons(kind, 6, raters)
    assert list(found) == ["odd"] and "below 0.2" in found["odd"]
    assert reasons(kind, 6, raters, min_correlation=-1) == {}


def test_two_raters_cannot_say_who_of_them_is_wrong(reasons):
    raters = {"r": (careful(0),), "odd": (upside_down,)}
    assert reasons("mos", 6, raters) == {}


def test_the_correlation_at_the_boundary(reasons, make_key, answer):
    """Three raters of whom the third's correlation is known: 0.5."""
    rows = {"a": [1, 2, 3], "b": [1, 2, 3], "c": [2, 1, 3]}
    systems = ["Groundtruth", "Good", "Bad"]
    raters = {
        name: (lambda system, item, row=row: row[systems.index(system)],)
        for name, row in rows.items()
    }
    assert np.corrcoef([1, 2, 3], rows["c"])[0, 1] == pytest.approx(0.5)
    assert reasons("mos", 4, raters, min_correlation=0.499) == {}
    found = reasons("mos", 4, raters, min_correlation=0.501)
    assert found["c"].startswith("correlation 0.50 with the others'")


def test_nobody_left_is_an_error_with_all_reasons(make_key, answer):
    file = make_key()
    key = read_key(file)
    paths = [
        answer(file, "a", lambda *_: 7),
        answer(file, "b", mushra(4)),
        answer(file, "c", mushra(0), None, ratings={}),
    ]
    with pytest.raises(ValueError, match="no rater is left") as caught:
        screen(read_answers(paths, key), key)
    for reason in ("a.json: all sounds", "b.json: the hidden", "c.json: unfinished"):
        assert reason in str(caught.value)
