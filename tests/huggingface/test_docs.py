"""The Python of docs/espnet.md runs as it stands, on a trained codec."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from espnet_st import AudioCoding
from espnet_st.bin import convert

pytest.importorskip("transformers")
ROOT = Path(__file__).resolve().parents[2]
TRAINED = ROOT / "tests/trained"


def test_the_documented_lines_give_our_codes(tmp_path, monkeypatch):
    text = (ROOT / "docs/espnet.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    speech = sorted((TRAINED / "prompts").glob("*.flac"))[0]
    shutil.copy(speech, "speech.wav")
    codec = TRAINED / "codec.zip"
    words = f"--codec {codec} --to huggingface --output_dir codec_hf"
    convert.main(words.split())
    names = {}
    exec(compile(source, "docs/espnet.md", "exec"), names)
    ours = AudioCoding.from_pretrained(codec).encode(names["wav"], names["rate"])
    assert torch.equal(names["out"].audio_codes[0], ours)
    assert names["audio"].shape == (2, 1, len(names["wav"]))
