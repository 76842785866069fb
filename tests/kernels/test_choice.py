"""A choice is made once, of what costs least or what is named."""

import pytest

from espnet_st.kernels import choice


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.setattr(choice, "_chosen", {})


def test_the_cheapest_is_chosen_once_and_kept():
    costs = {"a": 3.0, "b": 1.0, "c": 2.0}
    asked = {name: lambda name=name: costs[name] for name in costs}
    assert choice.choose("kind", 8, asked) == "b"
    costs["b"] = 9.0
    assert choice.choose("kind", 8, asked) == "b"
    assert choice.choose("kind", 16, asked) == "c"


def test_the_environment_names_one_unmeasured(monkeypatch):
    monkeypatch.setenv("ESPNET_ST_KIND", "slow")
    costs = {"quick": lambda: 1.0, "slow": lambda: pytest.fail("measured")}
    assert choice.choose("kind", 1, costs) == "slow"
    monkeypatch.setenv("ESPNET_ST_KIND", "unknown")
    assert choice.choose("kind", 2, {"only": costs["slow"]}) == "only"
