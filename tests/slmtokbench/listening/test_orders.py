"""Orders are balanced: systems over places, and over what stands before them."""

from collections import Counter

import pytest

from espnet_st.slmtokbench.listening.orders import (
    mushra_order,
    rater_rows,
    single_order,
    zigzag,
)

SIZES = [(6, 2), (6, 3), (4, 4), (7, 5), (12, 4), (1, 3), (3, 1)]


@pytest.mark.parametrize("n", range(1, 9))
def test_zigzag_holds_each_number_once(n):
    assert sorted(zigzag(n)) == list(range(n))


@pytest.mark.parametrize(("n_items", "n_systems"), SIZES)
def test_each_rater_hears_each_sound_once(n_items, n_systems):
    everything = list(range(n_items * n_systems))
    for rater in range(rater_rows(n_systems)):
        trials = mushra_order(rater, n_items, n_systems, 0)
        assert sorted(sum(trials, [])) == everything
        assert all(len({one // n_systems for one in trial}) == 1 for trial in trials)
        alone = single_order(rater, n_items, n_systems, 0)
        assert sorted(sum(alone, [])) == everything
        assert {len(trial) for trial in alone} == {1}


@pytest.mark.parametrize(("n_items", "n_systems"), SIZES)
def test_raters_in_a_row_hear_each_system_once_at_each_place(n_items, n_systems):
    for first in (0, n_systems):
        raters = range(first, first + n_systems)
        for order, places in ((mushra_order, n_items), (single_order, 0)):
            table = [
                [one % n_systems for trial in order(r, n_items, n_systems, 0)
                 for one in trial]
                for r in raters
            ]  # fmt: skip
            assert places == 0 or len(table[0]) == places * n_systems
            for place in zip(*table):
                assert sorted(place) == list(range(n_systems))


@pytest.mark.parametrize("n_systems", [2, 3, 4, 5, 6])
def test_each_system_follows_each_other_equally_often(n_systems):
    pairs = Counter()
    for rater in range(2 * n_systems):
        for trial in mushra_order(rater, 5, n_systems, 0):
            systems = [one % n_systems for one in trial]
            pairs.update(zip(systems, systems[1:]))
    assert len(pairs) == n_systems * (n_systems - 1)
    assert len(set(pairs.values())) == 1


def test_a_single_rater_hears_systems_equally_often_at_each_place():
    places = Counter(
        (place, one % 3)
        for trial in mushra_order(5, 6, 3, 0)
        for place, one in enumerate(trial)
    )
    assert set(places.values()) == {2}


def test_an_item_comes_again_only_after_all_others():
    for rater in range(6):
        items = [trial[0] // 3 for trial in single_order(rater, 7, 3, 0)]
        assert items == items[:7] * 3


def test_every_stretch_of_a_single_order_has_every_system():
    systems = [trial[0] % 4 for trial in single_order(1, 8, 4, 0)]
    for start in range(0, 32, 4):
        assert sorted(systems[start : start + 4]) == [0, 1, 2, 3]


def test_raters_and_seeds_get_other_orders_and_the_same_again():
    assert mushra_order(0, 8, 3, 0) == mushra_order(0, 8, 3, 0)
    orders = {str(mushra_order(r, 8, 3, s)) for r in range(12) for s in (0, 1)}
    assert len(orders) == 24


@pytest.mark.parametrize("n_systems", range(1, 9))
def test_rows_are_whole_cycles(n_systems):
    assert rater_rows(n_systems) >= 24 and rater_rows(n_systems) % (2 * n_systems) == 0
