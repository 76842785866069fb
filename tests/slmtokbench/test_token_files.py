"""Codes in the forms that people have them in."""

import kaldiio
import numpy as np
import pytest
import torch

from espnet_st.codes import CodesWriter
from espnet_st.slmtokbench.token_files import read_codes, read_embeddings

CODES = {"a": np.array([[1, 2, 3], [4, 5, 6]]), "b": np.array([[7, 8], [9, 0]])}


def same(found, expected=CODES):
    codes, failed = found
    assert not failed and codes.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(codes[key], value)


@pytest.mark.parametrize("size", [None, 10])
def test_archives_of_kaldi_and_packed_ones(tmp_path, size):
    with CodesWriter(tmp_path, size) as writer:
        for key, value in CODES.items():
            writer[key] = torch.from_numpy(value)
    same(read_codes(tmp_path / "codes.scp"))
    same(read_codes(tmp_path))


def test_vectors_of_kaldi_are_one_layer(tmp_path):
    units = {"a": np.array([1, 2, 3], np.float32)}
    scp = tmp_path / "units.scp"
    kaldiio.save_ark(str(tmp_path / "units.ark"), units, scp=str(scp))
    same(read_codes(scp), {"a": np.array([[1, 2, 3]])})


def test_text_of_units_and_of_layers(tmp_path):
    file = tmp_path / "units"
    file.write_text("a 1,4 2,5 3,6\nb 7,9 8,0\n")
    same(read_codes(file))
    file.write_text("a 1 2 3\n")
    same(read_codes(file), {"a": np.array([[1, 2, 3]])})


def test_directories_of_arrays(tmp_path):
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "a.npy", CODES["a"][None])
    torch.save({"audio_codes": torch.from_numpy(CODES["b"])}, tmp_path / "sub/b.pt")
    same(read_codes(tmp_path), {"a": CODES["a"], "sub/b": CODES["b"]})


def test_arrays_of_frames_by_layers_are_turned(tmp_path):
    for key, value in CODES.items():
        np.save(tmp_path / f"{key}.npy", value.T)
    same(read_codes(tmp_path))


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path):
    file = tmp_path / "units"
    file.write_text("a 1 2 3\nb\nc 1 x\nd 1,2 3\ne 1,2 3,4\n")
    codes, failed = read_codes(file)
    assert codes.keys() == {"a"}
    assert failed == {
        "b": "no unit after the id",
        "c": "'1 x' are no integers",
        "d": "frames have different numbers of layers",
        "e": "2 layers of codes; most have 1",
    }


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no codes at"):
        read_codes(tmp_path / "missing")
    with pytest.raises(ValueError, match="holds no codes"):
        read_codes(tmp_path)
    (tmp_path / "a.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot read"):
        read_codes(tmp_path)


def test_embeddings_of_one_size_or_of_several(tmp_path):
    books = [np.ones((4, 3)), np.ones((2, 3))]
    np.save(tmp_path / "books.npy", np.ones((2, 4, 3)))
    np.savez(tmp_path / "books.npz", *books)
    assert [b.shape for b in read_embeddings(tmp_path / "books.npy")] == [(4, 3)] * 2
    assert [b.shape for b in read_embeddings(tmp_path / "books.npz")] == [
        (4, 3),
        (2, 3),
    ]


@pytest.mark.parametrize("content", [b"nothing", None])
def test_unreadable_embeddings_are_refused(tmp_path, content):
    file = tmp_path / "books.npy"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match="cannot read embeddings"):
        read_embeddings(file)


def test_embeddings_of_other_shapes_or_with_nan_are_refused(tmp_path):
    for wrong in (np.ones(3), np.full((1, 2, 3), np.nan), np.ones((2, 3), int)):
        np.save(tmp_path / "books.npy", wrong)
        with pytest.raises(ValueError, match="expected finite floats"):
            read_embeddings(tmp_path / "books.npy")
