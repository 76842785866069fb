"""Audio from files, pipes, archives and arrays: what is taken, what is refused."""

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from espnet_st.data.audio import prepare_audio, read_audio


@pytest.fixture
def wav(tmp_path):
    """A WAV file of a second of noise at 8 kHz, and its samples."""
    rng = np.random.default_rng(0)
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * rng.standard_normal(8000), 8000)
    return path, soundfile.read(path, dtype="float32")[0]


def test_files_pipes_and_archives_give_the_same(wav, tmp_path):
    path, samples = wav
    soundfile.write(tmp_path / "a.flac", samples, 8000)
    pcm = (samples * 32768).astype(np.int16)
    ark = tmp_path / "a.ark"
    kaldiio.save_ark(str(ark), {"a": (8000, pcm)}, scp=str(tmp_path / "a.scp"))
    place = (tmp_path / "a.scp").read_text().split()[1]
    sources = [str(path), str(tmp_path / "a.flac"), f"cat {path} |", place]
    sources.append(f"cat {path} | head -c 4000000 |")
    for source in sources:
        read, rate = read_audio(source)
        assert rate == 8000, source
        assert torch.equal(prepare_audio(read, rate, rate), torch.from_numpy(samples))
        part, _ = read_audio(source, 0.25, 0.5)
        expected = torch.from_numpy(samples[2000:4000])
        assert torch.equal(prepare_audio(part, rate, rate), expected)
        rest, _ = read_audio(source, 0.25, 7.0)
        assert len(rest) == 6000


def test_a_length_that_a_pipe_did_not_know_is_no_damage(wav):
    path, samples = wav
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    for source in (str(path), f"cat {path} |"):
        assert np.array_equal(read_audio(source)[0], samples)


def test_truncated_and_corrupt_files_are_refused(wav, tmp_path):
    path, samples = wav
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ValueError, match="truncated: 9000 bytes of 16044"):
        read_audio(str(path))
    flac = tmp_path / "a.flac"
    soundfile.write(flac, samples, 8000)
    data = flac.read_bytes()
    flac.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=f"cannot read audio {flac}"):
        read_audio(str(flac))
    flac.write_bytes(b"")
    with pytest.raises(ValueError, match="cannot read audio"):
        read_audio(str(flac))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/no/such.wav", "No such file"),
        ("/no/such.ark:12", "No such file"),
        ("/", "cannot read audio /"),
        ("echo why >&2; false |", "failed with 1: why"),
        ("false | cat |", "failed with 1"),
        ("echo nonsense |", "cannot read audio"),
    ],
)
def test_what_cannot_be_read_is_named(source, message):
    with pytest.raises(ValueError, match=message):
        read_audio(source)


def test_a_part_beyond_the_end_is_refused(wav):
    with pytest.raises(ValueError, match=r"ends at 1\.0 s, before 1\.5 s"):
        read_audio(str(wav[0]), 1.5, 2.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_integers_are_scaled_by_their_range(dtype):
    info = np.iinfo(dtype)
    middle = (int(info.max) + int(info.min) + 1) // 2
    audio = prepare_audio(np.array([info.min, middle, info.max], dtype), 8000, 8000)
    assert audio[0] == -1 and audio[1] == 0 and 0.99 < audio[2] <= 1


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_narrow_integers_in_a_wide_type_are_refused(dtype):
    samples = np.array([-32768, 0, 32767])
    with pytest.raises(ValueError, match="wider type. Convert them to int16"):
        prepare_audio(samples.astype(dtype), 8000, 8000)
    assert prepare_audio(samples.astype(np.int16), 8000, 8000)[0] == -1
    assert prepare_audio(np.array([0, 1], np.int16), 8000, 8000)[1] == 2**-15
    assert not prepare_audio(np.zeros(3, dtype), 8000, 8000).any()  # silence


def test_defined_answers(codec):
    clipped = (3 * torch.randn(3200)).clamp(-1, 1)
    assert codec.encode(clipped).shape == (3, 10)
    assert codec.encode(1.5 * clipped).shape == (3, 10)  # beyond full scale: as it is
    assert torch.equal(codec.encode(torch.zeros(1)), codec.encode(torch.zeros(1, 1)))
    assert codec.encode(torch.ones(1)).shape == (3, 1)
    stereo = torch.stack([clipped, -clipped])
    assert torch.equal(codec.encode(stereo), codec.encode(torch.zeros(3200)))


@pytest.mark.parametrize(
    ("wav", "message"),
    [
        (torch.tensor([0.0, 20000.0]), "reaches 20000; expected samples in"),
        (torch.tensor([True]), "audio is torch.bool"),
        (torch.ones(3, dtype=torch.complex64), "audio is torch.complex64"),
    ],
)
def test_what_is_no_audio_is_refused(wav, message):
    with pytest.raises(ValueError, match=message):
        prepare_audio(wav, 8000, 8000)
