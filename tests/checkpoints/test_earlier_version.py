"""What the version before the rooms were redrawn has written means the same.

The models are those of `tests/trained`. The archives hold 6 frames of a recording there
and their first 2, as that version wrote them with the codec.
"""

import base64
from pathlib import Path

import pytest
import soundfile
import torch

from espnet_st.checkpoints.loading import load_strictly
from espnet_st.checkpoints.sources import model_files
from espnet_st.checkpoints.uslm_release import TTS, load_uslm
from espnet_st.codes import CodesReader, CodesWriter
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.decode_defaults import read_defaults
from espnet_st.uslm.uslm import USLM

TRAINED = Path(__file__).resolve().parents[1] / "trained"
CODES = [
    [184, 216, 182, 182, 161, 73],
    [236, 105, 46, 181, 154, 243],
    [148, 85, 38, 113, 145, 250],
    [124, 122, 238, 42, 62, 179],
    [39, 226, 181, 204, 223, 32],
    [23, 181, 54, 72, 76, 111],
    [197, 27, 183, 64, 98, 58],
    [222, 78, 187, 113, 80, 5],
]
KALDI = """
dTEgAEJGTSAEBgAAAAQIAAAAAAA4QwAAbEMAABRDAAD4QgAAHEIAALhBAABFQwAAXkMAAFhDAADSQgAAqkIA
APRCAABiQwAANUMAANhBAACcQgAANkMAADhCAAAYQgAAbkMAADVDAABYQgAAN0MAADtDAAA2QwAANUMAAOJC
AAAoQgAATEMAAJBCAACAQgAA4kIAACFDAAAaQwAAEUMAAHhCAABfQwAAmEIAAMRCAACgQgAAkkIAAHNDAAB6
QwAAM0MAAABCAADeQgAAaEIAAKBAdTIgAEJGTSAEAgAAAAQIAAAAAAA4QwAAbEMAABRDAAD4QgAAHEIAALhB
AABFQwAAXkMAAFhDAADSQgAAqkIAAPRCAABiQwAANUMAANhBAACcQg==
"""
PACKED = """
U1RDMQgACAAGAAAAntzaRbjYtrahSexpLrWa85RVJnGR+nx67io+syfitczfIBe1NkhMb8Ubt0BiOt5Ou3FQ
BVNUQzEIAAgAAgAAANkzku642OxplFV8eifiF7XFG95O
"""
ARCHIVES = {
    "kaldi": ("codes.ark", KALDI, (3, 213)),
    "packed": ("codes.packed", PACKED, (0, 64)),
}
EVERY_160TH = [
    0.0577,
    0.0508,
    0.0528,
    0.0306,
    0.0404,
    0.0335,
    0.0324,
    0.041,
    0.042,
    0.0399,
    0.0443,
    0.0314,
]
"""Samples that the version before decoded from the codes."""


@pytest.fixture(scope="module")
def codec():
    return AudioCoding.from_pretrained(TRAINED / "codec.zip")


def write(directory, form):
    name, text, offsets = ARCHIVES[form]
    (directory / name).write_bytes(base64.b64decode(text))
    lines = [f"u{n} {directory / name}:{at}\n" for n, at in enumerate(offsets, 1)]
    (directory / "codes.scp").write_text("".join(lines))


@pytest.mark.parametrize("form", ARCHIVES)
def test_its_archives_are_read_and_continued(form, tmp_path):
    write(tmp_path, form)
    codes = torch.tensor(CODES)
    reader = CodesReader(tmp_path / "codes.scp")
    assert torch.equal(reader["u1"], codes) and torch.equal(reader["u2"], codes[:, :2])
    with CodesWriter(tmp_path, None if form == "kaldi" else 256) as writer:
        assert writer.done == {"u1", "u2"}
        writer["u0"] = codes[:, 3:]
    reader = CodesReader(tmp_path / "codes.scp")
    assert list(reader) == ["u0", "u1", "u2"]
    assert torch.equal(reader["u0"], codes[:, 3:])
    # What is written now has the bytes that were written then.
    with CodesWriter(tmp_path / "new", None if form == "kaldi" else 256) as writer:
        writer["u1"], writer["u2"] = codes, codes[:, :2]
    name, text, _ = ARCHIVES[form]
    assert (tmp_path / "new" / name).read_bytes() == base64.b64decode(text)


def test_its_codec_is_loaded_and_decodes_and_encodes_the_same(codec):
    assert (codec.n_q, codec.codebook_size, codec.hop_length) == (8, 256, 320)
    codes = torch.tensor(CODES)
    wav = codec.decode(codes)
    torch.testing.assert_close(wav[::160], torch.tensor(EVERY_160TH), atol=1e-3, rtol=0)
    speech, rate = soundfile.read(
        TRAINED / "prompts/sltx-test-0001.flac", dtype="float32"
    )
    found = codec.encode(speech[rate : rate + 6 * codec.hop_length])
    # Another processor may round otherwise where two entries are equally near.
    assert (found == codes).float().mean() > 0.9


def test_its_uslm_is_loaded_strictly(codec):
    files = model_files(TRAINED / "uslm.zip")
    config, state = load_uslm(files.config, files.checkpoint)
    defaults = read_defaults(files.config.parent)
    conf = dict(config["tts_conf"], idim=len(config["token_list"]), odim=config["odim"])
    model = USLM(**conf | {"codebooks": codec.codebooks})
    load_strictly(model, state, TTS)
    assert model.n_q == 8 and isinstance(defaults, dict)
