"""What `align` reads, refuses, leaves out, and writes."""

import json

import pytest
import torch

from espnet_st.codes import CodesWriter
from espnet_st.slmtokbench.bootstrap import draw_weights
from espnet_st.slmtokbench.tokens.alignment import (
    AlignmentTask,
    align,
    read_alignment,
    read_pairs,
)
from espnet_st.slmtokbench.tokens.downstream_training import TrainingOptions

TEXTS = {"a": "AB", "b": "B A", "c": "AAB", "d": "BB"}


def write_set(root, name, texts, codes=None):
    if codes is None:
        codes = {
            key: torch.tensor([[ord(c) % 7 for c in text for _ in range(3)]] * 2)
            for key, text in texts.items()
        }
    with CodesWriter(root / "codes" / name) as writer:
        for key, row in codes.items():
            writer[key] = row
    (root / "raw" / name).mkdir(parents=True)
    lines = "".join(f"{key} {text}\n" for key, text in texts.items())
    (root / "raw" / name / "text").write_text(lines)
    return codes


@pytest.fixture
def task(tmp_path):
    for name in ("train", "dev", "test"):
        write_set(tmp_path, name, TEXTS)
    options = TrainingOptions(steps=3, batch_size=2, hidden=4, layers=1, dim=4)
    return lambda **changes: AlignmentTask(
        **{
            "name": "toy",
            "directory": tmp_path / "codes",
            "texts": tmp_path / "raw",
            "train_set": "train",
            "valid_set": "dev",
            "test_set": "test",
            "n_layers": 2,
            "codebooks": None,
            "options": options,
            "figures": tmp_path / "figures.npz",
            **changes,
        }
    )


def test_figures_come_with_draws(task):
    scores = align(task())
    json.dumps(scores)
    assert scores["utterances"] == 4
    found = read_alignment(task().figures, draws=50)
    assert found["mi"].value == pytest.approx(scores["mi"], rel=1e-4)
    assert found["mi_lower"].value == pytest.approx(scores["mi_lower"], rel=1e-4)
    assert found["downstream_wer"].value == pytest.approx(scores["wer"])
    assert all(one.draws.shape == (50,) for one in found.values())
    assert draw_weights(sorted(TEXTS), draws=50).shape == (50, 4)


def test_unmatched_and_empty_utterances_are_counted(tmp_path, task):
    codes = write_set(tmp_path, "odd", {"x": "AB", "y": "ABA"})
    path = tmp_path / "raw" / "odd" / "text"
    path.write_text(path.read_text() + "lost AB\n")
    found = read_pairs(task(), "odd")
    assert set(found.codes) == set(codes) and found.unmatched == 1
    path.write_text("x AB\ny\n")
    found = read_pairs(task(), "odd")
    assert (set(found.codes), found.left_out) == ({"x"}, 1)
    path.write_text("x AZ\ny B\n")
    assert set(read_pairs(task(), "odd", known={"A", "B"}).codes) == {"y"}


def test_refusals(tmp_path, task):
    write_set(tmp_path, "other", {"z": "AB"})
    (tmp_path / "raw" / "other" / "text").write_text("q AB\n")
    with pytest.raises(ValueError, match="no utterance has both codes and text"):
        align(task(train_set="other"))
    write_set(tmp_path, "one", {"z": "AB"})
    with pytest.raises(ValueError, match="mutual information takes two or more"):
        align(task(valid_set="one"))
    write_set(tmp_path, "new", {"z": "ZZ"})
    with pytest.raises(ValueError, match="new: every text is empty or holds charac"):
        align(task(test_set="new"))
    with pytest.raises(ValueError, match="codes of 2 layers; expected 3 or more"):
        align(task(n_layers=3))
    with pytest.raises(ValueError, match=r"layer 1: codes lie in .* expected \[0, 1\]"):
        align(task(codebooks=[torch.randn(2, 4)] * 2))
    with pytest.raises(ValueError, match="stage 8 makes it"):
        read_alignment(tmp_path / "none.npz")
