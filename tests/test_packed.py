"""Packed codes: lossless, a third of a Kaldi archive, damage never goes unnoticed."""

import os
import pickle

import pytest
import torch

from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.packed import bits_of


def write(directory, utterances, codebook_size):
    with CodesWriter(directory, codebook_size) as writer:
        for key, codes in utterances.items():
            writer[key] = codes
    return CodesReader(directory / "codes.scp")


@pytest.mark.parametrize(
    ("codebook_size", "bits"),
    [(1, 1), (2, 1), (3, 2), (1000, 10), (1024, 10), (1025, 11), (65537, 17)],
)
def test_any_codes_come_back(codebook_size, bits, tmp_path):
    assert bits_of(codebook_size) == bits
    torch.manual_seed(0)
    utterances = {
        f"{n_q}-{frames}": torch.randint(codebook_size, (n_q, frames))
        for n_q in (1, 2, 7, 8)
        for frames in (0, 1, 3, 64, 501)
    }
    utterances["top"] = torch.full((3, 5), codebook_size - 1)
    reader = write(tmp_path, utterances, codebook_size)
    assert list(reader) == sorted(utterances)
    for key in reversed(list(utterances)):  # any order: the index says where
        assert reader[key].dtype == torch.int64
        assert torch.equal(reader[key], utterances[key])


def test_ten_bits_take_a_third_of_a_kaldi_archive(tmp_path):
    utterances = {"u": torch.randint(1024, (8, 500))}
    write(tmp_path / "packed", utterances, 1024)
    write(tmp_path / "kaldi", utterances, None)
    packed = (tmp_path / "packed/codes.packed").stat().st_size
    kaldi = (tmp_path / "kaldi/codes.ark").stat().st_size
    assert packed == 8 * 500 * 10 // 8 + 16
    assert 3.15 < kaldi / packed < 3.2


def test_every_damaged_byte_and_every_cut_is_noticed(tmp_path):
    codes = torch.randint(16, (2, 9))
    reader = write(tmp_path, {"u": codes}, 16)
    path = tmp_path / "codes.packed"
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="no packed codes|truncated|checksum"):
            reader["u"]
        path.write_bytes(whole[:position])
        with pytest.raises(ValueError, match="truncated"):
            reader["u"]
    path.write_bytes(whole)
    assert torch.equal(reader["u"], codes)
    path.unlink()
    with pytest.raises(ValueError, match="cannot read"):
        reader["u"]


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.remove, (str(self.path),)


def test_foreign_archives_are_refused(tmp_path):
    write(tmp_path / "kaldi", {"u": torch.randint(9, (2, 5))}, None)
    write(tmp_path / "packed", {"u": torch.randint(9, (2, 5))}, 9)
    scp = tmp_path / "packed/codes.scp"
    (tmp_path / "packed/codes.packed").write_bytes(
        (tmp_path / "kaldi/codes.ark").read_bytes()
    )
    with pytest.raises(ValueError, match="holds no packed codes"):
        CodesReader(scp)["u"]
    (tmp_path / "kaldi/codes.ark").write_bytes(b"u \0BFM \4\0\0")
    with pytest.raises(ValueError, match="cannot read codes of u"):
        CodesReader(tmp_path / "kaldi/codes.scp")["u"]
    (tmp_path / "kaldi/codes.ark").write_bytes(b"u PKL" + pickle.dumps(Hostile(scp)))
    with pytest.raises(ValueError, match="holds no Kaldi matrix"):
        CodesReader(tmp_path / "kaldi/codes.scp")["u"]
    assert scp.exists()
    scp.write_text("u codes.packed\n")
    with pytest.raises(ValueError, match="is not 'utterance archive:offset'"):
        CodesReader(scp)


def test_a_killed_run_goes_on_in_its_format(tmp_path):
    first, second = torch.randint(9, (2, 5)), torch.randint(9, (2, 6))
    writer = CodesWriter(tmp_path, 9)  # never closed, as if killed
    writer["x"] = first
    with (tmp_path / "codes.packed").open("ab") as archive:
        archive.write(b"STC1\4\0")  # killed within a record
    with (tmp_path / "codes.scp").open("a") as scp:
        scp.write("y /half/a/li")
    with pytest.raises(ValueError, match="other format"):
        CodesWriter(tmp_path)
    reader = write(tmp_path, {"y": second}, 9)
    assert torch.equal(reader["x"], first) and torch.equal(reader["y"], second)


def test_codes_that_do_not_fit_are_refused(tmp_path):
    with (
        CodesWriter(tmp_path, 8) as writer,
        pytest.raises(ValueError, match="expected"),
    ):
        writer["u"] = torch.full((2, 3), 8)
    assert not (tmp_path / "codes.scp").exists()
