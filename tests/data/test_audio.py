"""Audio from files, pipes, archives and arrays: what is taken, what is refused."""

import math
import struct

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from espnet_st.data.audio import (
    audio_size,
    prepare_audio,
    read_audio,
    resampled_length,
)
from espnet_st.data.corpus import Utterance


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
    with pytest.raises(ValueError, match="truncated: 8956 bytes of 16000"):
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
    silence = torch.zeros(2, 3200)
    assert torch.equal(codec.encode(silence), codec.encode(silence[0]))


@pytest.mark.parametrize(
    ("wav", "message"),
    [
        (torch.tensor([0.0, 20000.0]), "reaches 20000; expected samples in"),
        (torch.tensor([True]), "audio is torch.bool"),
        (torch.ones(3, dtype=torch.complex64), "audio is torch.complex64"),
        (np.array(["a"]), "audio is <U1"),
        (np.array([None]), "audio is object"),
        (torch.ones(3).to_sparse(), "torch.sparse_coo; expected a dense one"),
        (torch.stack([torch.ones(9), -torch.ones(9)]), "they cancel each other"),
        (torch.tensor([[900.0, 1.0], [-900.0, 1.0]]), "reaches 900; expected"),
    ],
)
def test_what_is_no_audio_is_refused(wav, message):
    with pytest.raises(ValueError, match=message):
        prepare_audio(wav, 8000, 8000)


@pytest.mark.parametrize("rate", [0, -8000, 8000.5])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="expected whole Hz above 0"):
        prepare_audio(torch.ones(3), rate, 8000)


def test_any_form_of_the_same_samples_gives_the_same():
    samples = (torch.arange(600) % 50 - 25).short()
    floats = samples.float() / 32768
    right = prepare_audio(floats, 8000, 16000)
    array = floats.numpy()
    read_only = array.copy()
    read_only.setflags(write=False)
    forms = [
        array.astype(">f4"),
        array.astype(np.longdouble),
        array[::-1].copy()[::-1],
        read_only,
        array.tolist(),
        np.asfortranarray(np.stack([array, array], 1)),
        array[:, None],
        floats.double().clone().requires_grad_(),
        floats.repeat_interleave(2)[::2],
        samples,
        samples.numpy().astype(">i2"),
        (samples.numpy().astype(np.int64) + 32768).astype(np.uint16),
    ]
    for form in forms:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = prepare_audio(form, 8000, 16000)
        assert torch.equal(found, right) and not found.requires_grad


HEADER = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
PCM = (0.3 * 32767 * np.sin(np.arange(16000) * 0.1)).astype("<i2").tobytes()


def riff(outer, inner):
    """A WAV file with these sizes in its header."""
    body = b"WAVE" + HEADER + struct.pack("<4sI", b"data", inner) + PCM
    return struct.pack("<4sI", b"RIFF", outer) + body


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (36 + len(PCM), len(PCM)),
        (44 + len(PCM), len(PCM)),  # the file's size: recorders in browsers
        (1234567, len(PCM)),
        (0, len(PCM)),
        (0xFFFFFFFF, len(PCM)),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0, 0),
        (0, 0xFFFFFFFF),
        (0x7FFFF024, 0x7FFFF000),  # sox into a pipe
    ],
)
def test_the_size_in_the_outer_header_does_not_matter(outer, inner, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(outer, inner))
    expected = np.frombuffer(PCM, "<i2").astype(np.float32) / 32768
    for source in (str(path), f"cat {path} |"):
        samples, rate = read_audio(source)
        assert rate == 16000 and np.array_equal(samples, expected)


@pytest.mark.parametrize("outer", [36 + len(PCM), 44 + len(PCM), 0, 0xFFFFFFFF])
def test_a_cut_file_is_refused_whatever_the_outer_header_says(outer, tmp_path):
    path = tmp_path / "cut.wav"
    path.write_bytes(riff(outer, len(PCM))[:-8000])
    for source in (str(path), f"cat {path} |"):
        with pytest.raises(ValueError, match="truncated: 24000 bytes of 32000"):
            read_audio(source)


@pytest.mark.parametrize(
    "kind",
    "WAV WAVEX RF64 W64 AIFF SVX AU VOC FLAC CAF NIST OGG MP3".split(),
)
def test_a_cut_file_of_any_format_is_refused(kind, tmp_path):
    path = tmp_path / "a"
    wav = 0.3 * np.sin(np.arange(16000) * 0.1)
    soundfile.write(path, wav, 16000, format=kind)
    assert len(read_audio(path)[0]) == 16000
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    for source in (str(path), f"cat {path} |"):
        with pytest.raises(ValueError, match="cannot read audio"):
            read_audio(source)


@pytest.mark.parametrize("form", ["wav", "AUDIO", "flac"])
def test_a_cut_archive_is_refused(form, tmp_path):
    wav = (3000 * np.sin(np.arange(16000) * 0.1)).astype(np.int16)
    ark, scp = tmp_path / "w.ark", tmp_path / "w.scp"
    if form == "flac":
        soundfile.write(tmp_path / "a.flac", wav, 16000)
        entry = b"u " + (tmp_path / "a.flac").read_bytes()
        ark.write_bytes(2 * entry)
        places = [f"{ark}:2", f"{ark}:{len(entry) + 2}"]
    else:
        function = "soundfile" if form == "AUDIO" else None
        target = f"ark,scp:{ark},{scp}"
        with kaldiio.WriteHelper(target, write_function=function) as out:
            for key in ("a", "b"):
                out(key, (16000, wav))
        places = [line.split()[1] for line in scp.read_text().splitlines()]
    for place in places:
        samples, rate = read_audio(place)
        assert rate == 16000
        assert np.array_equal(samples, wav.astype(np.float32) / 32768)
        assert audio_size(place) == (16000, 16000)
        part, _ = read_audio(place, 0.25, 0.5)
        assert np.array_equal(part, samples[4000:8000])
    whole = ark.read_bytes()
    ark.write_bytes(whole[: -len(whole) // 8])
    assert len(read_audio(places[0])[0]) == 16000
    with pytest.raises(ValueError, match="cannot read audio"):
        read_audio(places[1])
    with pytest.raises(ValueError, match="holds no audio"):
        read_audio(f"{ark}:0")


@pytest.mark.parametrize("rates", [(44100, 24000), (22050, 16000), (48000, 16000)])
def test_a_resampled_length_is_exact(rates):
    for length in (*range(1, 40), *range(20_000, 20_200), 40_000_001):
        resampled = prepare_audio(torch.zeros(length), *rates)
        assert len(resampled) == resampled_length(length, *rates)
    assert resampled_length(441, 44100, 24000) == 240
    assert resampled_length(442, 44100, 24000) == 241


@pytest.mark.parametrize("subtype", ["GSM610", "MS_ADPCM", "IMA_ADPCM", "ULAW"])
def test_telephone_files_are_read(subtype, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(8000) * 0.1), 8000, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    assert np.array_equal(read_audio(path)[0], expected)
    part, _ = read_audio(path, 0.5, 0.75)
    assert np.abs(part - expected[4000:6000]).max() < 1e-3


def test_a_file_goes_before_an_archive_of_its_name(wav, tmp_path):
    path, samples = wav
    other = path.rename(tmp_path / "rec:12")
    assert np.array_equal(read_audio(other)[0], samples)


def test_an_utterance_counts_the_samples_that_it_loads(wav, tmp_path):
    path, _ = wav
    for source in (str(path), f"cat {path} |"):
        for start, end in ((0.0, math.inf), (0.2, math.inf), (0.1, 0.3), (0.5, 9.0)):
            one = Utterance(source, start, end)
            for rate in (8000, 16000, 11025):
                assert one.count_samples(rate) == len(one.load(rate))
