"""Training of the downstream model: resumption, precision, layers, refusals."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from espnet_st.slmtokbench.tokens.downstream import (
    Characters,
    log_probabilities,
    random_codebooks,
)
from espnet_st.slmtokbench.tokens.downstream_training import (
    BatchOrder,
    Checkpoint,
    TrainingOptions,
    train_downstream,
)

OPTIONS = TrainingOptions(
    steps=12, batch_size=4, lr=1e-2, hidden=4, layers=1, decay=True
)


def toy(options=OPTIONS, codebooks=None, **changes):
    generator = torch.Generator().manual_seed(0)
    codes = {
        f"u{i}": torch.stack(
            [torch.randint(8, (6 + i,), generator=generator) for _ in range(2)]
        )
        for i in range(9)
    }
    codes |= changes.pop("codes", {})
    texts = {key: "AB" if i % 2 else "BA" for i, key in enumerate(codes)}
    codebooks = codebooks or random_codebooks([8, 8], 4, 0)
    characters = Characters(["AB"])
    return codes, train_downstream(
        codes, texts, codebooks, characters, options, **changes
    )


def assert_same_weights(one, other):
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values()):
        assert torch.equal(a, b), name


class Stop(Exception):
    pass


def stop_at(step, _):
    if step == 7:
        raise Stop


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    _, whole = toy()
    checkpoint = Checkpoint(tmp_path / "a" / "x.pt", "stamp", seconds=0)
    with pytest.raises(Stop):
        toy(on_step=stop_at, checkpoint=checkpoint)
    steps = []
    _, resumed = toy(on_step=lambda n, loss: steps.append(n), checkpoint=checkpoint)
    assert steps == list(range(7, 13))
    assert_same_weights(resumed, whole)
    steps.clear()
    _, done = toy(on_step=lambda n, loss: steps.append(n), checkpoint=checkpoint)
    assert not steps
    assert_same_weights(done, whole)
    other = Checkpoint(checkpoint.path, "another stamp")
    toy(on_step=lambda n, loss: steps.append(n), checkpoint=other)
    assert steps[0] == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.pt"]


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_downstream_training import Checkpoint, toy
toy(checkpoint=Checkpoint(Path(sys.argv[1]), "s", seconds=0),
    on_step=lambda step, loss: time.sleep(600 if step == 6 else 0))
"""


def test_a_killed_process_is_resumed_bit_by_bit(tmp_path):
    path = tmp_path / "x.pt"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), os.path.dirname(__file__)]
    )
    checkpoint = Checkpoint(path, "s", seconds=0)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        state = checkpoint.load()
        if state and state["step"] == 5:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    steps = []
    _, resumed = toy(on_step=lambda n, loss: steps.append(n), checkpoint=checkpoint)
    assert steps[0] == 6
    assert_same_weights(resumed, toy()[1])


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_named_and_training_starts_anew(
    tmp_path, caplog, damage
):
    checkpoint = Checkpoint(tmp_path / "x.pt", "s", seconds=0)
    with pytest.raises(Stop):
        toy(on_step=stop_at, checkpoint=checkpoint)
    whole = checkpoint.path.read_bytes()
    contents = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no checkpoint"}
    checkpoint.path.write_bytes(contents.get(damage, b""))
    if damage == "foreign":
        torch.save({"step": 3}, checkpoint.path)
    steps = []
    _, resumed = toy(on_step=lambda n, loss: steps.append(n), checkpoint=checkpoint)
    assert steps[0] == 1
    assert str(checkpoint.path) in caplog.text
    assert_same_weights(resumed, toy()[1])


def test_training_leaves_subnormal_numbers_as_they_were():
    toy()
    assert torch.full((4,), 1e-39).mul(0.5).gt(0).all()


def test_the_order_goes_on_over_epochs():
    lengths = {f"u{i}": i for i in range(10)}
    one, other = BatchOrder(lengths, 3, 0), BatchOrder(lengths, 3, 0)
    for _ in range(6):
        one.next()
    other.load_state_dict(one.state_dict())
    assert [one.next() for _ in range(9)] == [other.next() for _ in range(9)]


def test_bfloat16_is_for_gpus_unless_it_is_asked_for():
    assert not OPTIONS.uses_bfloat16("cpu")
    assert OPTIONS.uses_bfloat16("cuda:0")
    narrow = TrainingOptions(**{**OPTIONS.__dict__, "precision": "bfloat16"})
    losses = []
    _, model = toy(narrow, on_step=lambda n, loss: losses.append(loss))
    _, exact = toy()
    assert losses[-1] < losses[0]
    weights = [m.output.weight for m in (model, exact)]
    assert weights[0].dtype == torch.float32
    assert not torch.equal(*weights)


def test_layers_may_differ_in_size_and_width():
    books = [torch.randn(8, 4), torch.randn(11, 6)]
    wide = {"w": torch.stack([torch.arange(8), torch.arange(3, 11)])}
    codes, model = toy(codebooks=books, codes=wide)
    assert [tuple(e.weight.shape) for e in model.embeddings] == [(8, 6), (11, 6)]
    assert log_probabilities(model, codes)["w"].shape == (8, 3)
    with pytest.raises(ValueError, match=r"w, layer 2: codes lie in \[3, 10\]"):
        toy(codes=wide)


def test_refusals():
    with pytest.raises(ValueError, match="x: codes of 1 layers; expected 2"):
        toy(codes={"x": torch.zeros(1, 9, dtype=torch.long)})
    with pytest.raises(ValueError, match="Embeddings hold NaN"):
        toy(codebooks=[torch.full((8, 4), torch.nan)] * 2)
    with pytest.raises(ValueError, match="loss is NaN in step 2: lower downstream_lr"):
        toy(TrainingOptions(**{**OPTIONS.__dict__, "lr": float("inf")}))
    with pytest.raises(ValueError, match="None of 1 coded utterances is among 1"):
        train_downstream(
            {"a": torch.zeros(1, 3, dtype=torch.long)},
            {"b": "A"},
            random_codebooks([1], 2, 0),
            Characters(["A"]),
            OPTIONS,
        )
