"""The whole benchmark over a tiny recipe, with a codec that only has codebooks.

The codec has 4 layers, 75 frames per second, and speech at 24 kHz.
"""

import json
import re

import numpy as np
import pytest
import soundfile
import torch

from espnet_st.bin.slmtokbench import main
from espnet_st.codes import CodesWriter
from espnet_st.slmtokbench import benchmark
from espnet_st.slmtokbench.seeds import read_runs

RATE = 24000
KEYS = ("ann-1", "ann-2", "ann-3", "bob-1", "bob-2", "bob-3")


class Codec:
    frame_rate = 75.0
    codebooks = torch.randn(4, 8, 6, generator=torch.Generator().manual_seed(0))

    @classmethod
    def from_pretrained(cls, directory):
        return cls()


def write_set(folder, name, seed):
    """A set of noisy buzzes with texts, phones and codes."""
    rng = np.random.default_rng(seed)
    raw = folder / "dump/raw" / name
    (raw / "wav").mkdir(parents=True)
    tables = {part: [] for part in ("wav.scp", "text", "utt2spk", "phones.ctm")}
    with CodesWriter(folder / "dump/codes_x" / name) as writer:
        for key in KEYS:
            path = raw / "wav" / f"{key}.wav"
            write_wav(path, 110 if key.startswith("ann") else 220, rng)
            tables["wav.scp"].append(f"{key} {path}")
            tables["text"].append(f"{key} HELLO {key[:3].upper()}")
            tables["utt2spk"].append(f"{key} {key[:3]}")
            tables["phones.ctm"] += [f"{key} 1 0.0 0.7 AA", f"{key} 1 0.7 0.7 B"]
            writer[key] = torch.from_numpy(rng.integers(8, size=(4, 105)))
    for part, lines in tables.items():
        (raw / part).write_text("\n".join(lines) + "\n")
    return raw


def write_wav(path, pitch, rng):
    time = np.arange(int(1.4 * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    wav = 0.1 * buzz * np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1)
    soundfile.write(path, wav + 0.003 * rng.standard_normal(len(time)), RATE)


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    for seed, name in enumerate(("train", "dev", "test_de", "test")):
        raw = write_set(tmp_path, name, seed)
    rng = np.random.default_rng(9)
    made = {
        "decode_rvq1/test": KEYS,
        "decode_rvq1_4/test": KEYS[:-1],
        "decode_vc_rvq2/test": KEYS[:2],
        "decode_rvq1/test_de": KEYS[:2],
    }
    for where, keys in made.items():
        folder = tmp_path / "exp/codec_x" / where
        folder.mkdir(parents=True)
        for key in keys:
            write_wav(folder / f"{key}.wav", 150, rng)
        lines = [f"{key} {folder / key}.wav\n" for key in keys]
        (folder / "wav.scp").write_text("".join(lines))
    conversion = raw / "conversion"
    conversion.mkdir()
    pairs = {"ann-1": "bob-2", "ann-2": "bob-3"}
    for name, line in (
        ("wav.scp", "{0} {2}/wav/{0}.wav\n"),
        ("ref_wav.scp", "{0} {2}/wav/{1}.wav\n"),
        ("text", "{0} HELLO ANN\n"),
        ("utt2ref", "{0} {1}\n"),
    ):
        lines = [line.format(key, ref, raw) for key, ref in pairs.items()]
        (conversion / name).write_text("".join(lines))
    config = "codec_conf: {teacher_conf: {name: exp/teacher, layer: avg}}\n"
    (tmp_path / "exp/codec_x/config.yaml").write_text(config)
    systems = """
- key: x
  label: SpeechTokenizer
  codec: {config: conf/x.yaml}
  lm: {label: USLM, config: conf/lm.yaml}
- key: plain
  label: No distillation
  codec: {config: conf/x.yaml, teacher: none}
  conversion: false
  roles: [no_distillation]
"""
    (tmp_path / "systems.yaml").write_text(systems)
    monkeypatch.setattr(benchmark, "AudioCoding", Codec)
    return tmp_path


def run(recipe, *options):
    main(
        [
            *("--systems", str(recipe / "systems.yaml")),
            *("--exp_dir", str(recipe / "exp")),
            *("--dump_dir", str(recipe / "dump")),
            *("--data_dir", str(recipe / "data")),
            *("--output_dir", str(recipe / "results")),
            *("--nj", "1", "--recognizers", "[pocketsphinx]", "--quality", "[stoi]"),
            *("--speaker_encoders", "[wavlm, resemblyzer]"),
            *("--wavlm_model", str(recipe / "no_weights")),
            *("--downstream_steps", "2", "--downstream_hidden", "4"),
            *("--tsne_speakers", "2", "--tsne_utterances", "3", "--players", "1"),
            *("--notes", "[The speech is noise.]"),
            *("--other_sets", "test_de", "test_zh"),
            *options,
        ]
    )


def test_whole_benchmark(recipe, capsys):
    run(recipe)
    results = recipe / "results"
    text = (results / "RESULTS.md").read_text()
    for number in range(2, 7):
        assert f"### Table {number}. " in text
    assert "- python version: `" in text
    scores = json.loads((results / "scores.json").read_text())
    figures = scores["figures"]

    # Scored: what is there.
    assert 0 < figures["x_rvq1"]["stoi"] <= 1
    assert 0 < figures["x_rvq1"]["sim"] <= 1
    assert figures["x_vc_rvq2"]["sim_source"] is not None
    assert figures["x_rvq1_4"]["alignment"]["steps"] == 2
    assert {row["set"] for row in scores["codebooks"]} == {"train", "test"}
    assert "|SpeechTokenizer|RVQ-1|teacher avg|" in text
    # Not scored, and why: no weights, no language model, nothing synthesized.
    assert re.search(r"\|wavlm\|voice\|not scored: the weights of .* are not", text)
    assert re.search(r"\|pocketsphinx\|.*\|not scored: no .*bigram.lm; stage 1", text)
    assert re.search(r"- x_tts: no .*wav.scp; stage 7 makes it", text)
    assert "wer" not in figures["groundtruth"]
    assert "|Groundtruth||not scored|" in text
    # Said, not assumed: the original's own voice, pairs without a path, notes.
    assert figures["groundtruth"]["resynthesis"]["sim"] == pytest.approx(1)
    assert re.search(r"RVQ-1: \d+ of 36; SpeechTokenizer RVQ-1:4: \d+ of 36\.", text)
    assert "- The speech is noise." in text
    # A system that was not made is named, line by line.
    assert "- plain_rvq1: no " in text and "|No distillation|RVQ-1|" in text
    assert re.search(r"- text alignment of No distillation RVQ-1: no codes at", text)
    assert not [key for key in figures if key.startswith("plain_vc")]
    # Named: the utterance that one condition lacks.
    (failed,) = scores["failures"].values()
    assert list(failed) == [KEYS[-1]]
    assert "### Table 3. SLMTokBench" in capsys.readouterr().out

    page = (results / "report.html").read_text()
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert not re.search("https?:", re.sub(r'"data:[^"]*"', "", page))
    assert "@import" not in page and "url(" not in page
    # Two players of a language that no system heard, and nothing of one not made.
    assert page.count("<audio") == 3 + 3 + 2
    assert "Unseen language: test_de" in page and "test_zh" not in page
    assert (results / "images/test_de_spectrograms_first.png").is_file()
    # Verdicts stand first.
    assert page.index(">Orderings</h2>") < page.index(">Resynthesis</h2>")
    assert "no system has the role distilled" in page

    (run_of_one,) = read_runs([results])
    assert run_of_one.parts("x") == {"rvq1", "rvq1_4", "vc_rvq2"}
    for name, key in (("stoi", "x_rvq1"), ("sim", "x_rvq1_4")):
        one = run_of_one.estimates["x", key.removeprefix("x_"), name]
        assert one.value == pytest.approx(figures[key][name])
        assert one.low <= one.value <= one.high
    assert set(run_of_one.scores["sample"]) >= {"seed", "utterances of test"}

    before = {p: p.stat().st_mtime_ns for p in (results / "cache").rglob("*.json")}
    run(recipe)
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_missing_codes_are_a_reason_not_a_number(recipe):
    (recipe / "dump/codes_x/dev/codes.scp").unlink()
    run(recipe)
    scores = json.loads((recipe / "results/scores.json").read_text())
    assert "alignment" not in scores["figures"]["x_rvq1"]
    assert any("no codes at" in line for line in scores["not_scored"])


def test_without_an_encoder_no_similarity_is_made_up(recipe):
    run(recipe, "--speaker_encoders", "[wavlm]")
    text = (recipe / "results/RESULTS.md").read_text()
    (line,) = re.findall(r"^\|Groundtruth\|\|-\|-\|-\|.*$", text, re.MULTILINE)
    assert line.endswith("|not scored|") and "1.00" not in line


def test_a_missing_list_of_prompts_is_of_stage_7(recipe):
    run(recipe)
    text = (recipe / "results/RESULTS.md").read_text()
    assert re.search(r"- prompt: no .*prompt_wav\.scp; stage 7 makes it", text)
