"""Codes: round trips, refusals, archives that survive a kill and that ESPnet reads."""

import kaldiio
import pytest
import torch

from espnet_st import codes as c


def some_codes(frames: int = 7, n_q: int = 4) -> torch.Tensor:
    return torch.randint(1000, (n_q, frames))


def test_round_trips():
    one = some_codes()
    assert torch.equal(c.from_disk(c.to_disk(one)), one)
    batch, lengths = c.pad_codes([one, some_codes(3)])
    assert batch.shape == (4, 2, 7) and lengths.tolist() == [7, 3]
    assert torch.equal(c.from_feats(c.to_feats(batch).float()), batch)
    assert batch[:, 1, 3:].sum() == 0


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.zeros(3, 2), "expected integers"),
        (torch.zeros(3, dtype=torch.long), "expected \\(n_q, B, T\\)"),
        (torch.full((3, 2), 10), "expected \\[0, 9\\]"),
        (torch.full((3, 2), -1), "\\[-1, -1\\]"),
        (torch.zeros(2, 2, dtype=torch.long), "2 layers; expected 3"),
    ],
)
def test_what_is_not_codes_is_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        c.check_codes(codes, 10, n_q=3)


def test_flat_ids_interleave_layers_frame_by_frame():
    flat = c.to_flat(torch.tensor([[1, 2, 3], [9, 8, 7]]), 10)
    assert flat.tolist() == [1, 19, 2, 18, 3, 17]
    assert c.from_flat(flat, 10, 2).tolist() == [[1, 2, 3], [9, 8, 7]]
    one = some_codes()
    assert torch.equal(c.from_flat(c.to_flat(one, 1000), 1000, 4), one)


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ([1, 19, 2], "3 ids; expected a multiple of 2"),
        ([19, 1], "not of 2 layers of 10 codes"),
        ([1, 20], "not of 2 layers"),
    ],
)
def test_wrong_flat_ids_are_refused(flat, message):
    with pytest.raises(ValueError, match=message):
        c.from_flat(torch.tensor(flat), 10, 2)
    with pytest.raises(ValueError, match="expected \\[0, 9\\]"):
        c.to_flat(torch.tensor([[10]]), 10)
    with pytest.raises(ValueError, match="expected \\(k, T\\)"):
        c.to_flat(torch.zeros(2, 1, 3).long(), 10)


def test_archive_is_kaldi_and_sorted(tmp_path):
    made = {key: some_codes(frames) for key, frames in (("b", 5), ("a", 2), ("c", 1))}
    with c.CodesWriter(tmp_path) as writer:
        for key, one in made.items():
            writer[key] = one
    reader = c.CodesReader(tmp_path / "codes.scp")
    assert list(reader) == ["a", "b", "c"]
    for key, one in made.items():
        assert torch.equal(reader[key], one)
    matrix = kaldiio.load_scp(str(tmp_path / "codes.scp"))["b"]
    assert matrix.shape == (5, 4)


def test_a_killed_run_goes_on(tmp_path):
    first, second = some_codes(), some_codes(3)
    writer = c.CodesWriter(tmp_path)  # never closed, as if killed
    writer["x"] = first
    with (tmp_path / "codes.ark").open("ab") as ark:
        ark.write(b"y \0BFM \4")  # killed within an utterance
    with (tmp_path / "codes.scp").open("a") as scp:
        scp.write("y /half/a/li")
    with c.CodesWriter(tmp_path) as writer:
        assert writer.done == {"x"}
        writer["y"] = second
        with pytest.raises(ValueError, match="already"):
            writer["x"] = first
    reader = c.CodesReader(tmp_path / "codes.scp")
    assert torch.equal(reader["x"], first) and torch.equal(reader["y"], second)


def test_missing_archive_is_named(tmp_path):
    with pytest.raises(ValueError, match="tokenize that set first"):
        c.CodesReader(tmp_path / "codes.scp")
