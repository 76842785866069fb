"""What verbs do: inputs and outputs of all kinds, the same codes everywhere."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_st.bin.tokenize import main as tokenize_corpus
from espnet_st.codes import CodesReader
from espnet_st.data.audio import load_audio, wav_bytes
from espnet_st.inference.code_swapping import swap_layers
from espnet_st.inference.text2speech import Text2Speech

SMALL = Path(__file__).resolve().parents[1] / "trained"
USLM = ["--model", SMALL / "uslm.zip", "--codec", SMALL / "codec.zip"]


def load(path):
    return load_audio(path, 16000)


def samples(path):
    wav, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000
    return wav


def written(wav):
    """Samples as a WAV file has them."""
    return soundfile.read(io.BytesIO(wav_bytes(wav, 16000)), dtype="int16")[0]


def same(path, wav):
    return np.array_equal(samples(path), written(wav))


@pytest.fixture
def folder(prompts, tmp_path):
    """A directory of recordings, some below another, and their waveforms by key."""
    some = enumerate(prompts[::2])
    wavs = {f"{'deep/er/' * (i > 2)}{path.stem}": load(path) for i, path in some}
    for key, wav in wavs.items():
        path = tmp_path / f"folder/{key}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(wav, 16000))
    (tmp_path / "folder/notes.txt").write_text("no audio")
    return wavs


def test_one_file_becomes_codes_here(run, trained, prompts, tmp_path):
    assert run("tokenize", prompts[0]) == 0
    codes = np.load(tmp_path / f"{prompts[0].stem}.npy")
    assert codes.dtype == np.int16
    assert np.array_equal(codes, trained.encode(load(prompts[0])).numpy())
    assert trained.decode(codes).isfinite().all()  # as it is


def test_codes_become_a_file_here(run, trained, prompts, tmp_path):
    run("tokenize", prompts[0], "-o", "x.npy")
    codes = trained.encode(load(prompts[0]))
    assert run("resynthesize", "x.npy") == 0
    assert same("x_resynthesized.wav", trained.decode(codes))
    assert run("resynthesize", "x.npy", "--layers", "1", "-o", "deep/one.wav") == 0
    assert same("deep/one.wav", trained.decode(codes[:1]))
    assert run("resynthesize", "x.npy", "--layers", "1-9") == 2


def test_speech_goes_through_the_codec_and_keeps_its_length(run, trained, prompts):
    assert run("resynthesize", prompts[1], "-o", "x.wav") == 0
    wav = load(prompts[1])
    assert len(wav) % 320
    assert same("x.wav", trained.decode(trained.encode(wav))[: len(wav)])


def test_standard_input_to_standard_output(run, trained, prompts, capfdbinary):
    wav = load(prompts[0])
    assert run("tokenize", "-", stdin=prompts[0].read_bytes()) == 0
    sent = capfdbinary.readouterr().out
    codes = np.load(io.BytesIO(sent))
    assert np.array_equal(codes, trained.encode(wav).numpy())
    assert run("resynthesize", "-", stdin=sent) == 0
    received = capfdbinary.readouterr().out
    assert same(io.BytesIO(received), trained.decode(codes))
    assert run("convert-voice", "-", "--reference", prompts[5], stdin=sent) == 0
    converted = swap_layers(
        torch.from_numpy(codes).long(), trained.encode(load(prompts[5])), 4
    )
    assert same(io.BytesIO(capfdbinary.readouterr().out), trained.decode(converted))


@pytest.mark.parametrize("form", ["npy", "codes.scp", "packed"])
def test_a_folder_has_the_codes_of_the_recipes_command(
    run, trained, folder, capsys, tmp_path, form
):
    options = {"npy": [], "codes.scp": [], "packed": ["--format", "packed"]}[form]
    target = "out/codes.scp" if form == "codes.scp" else "out"
    assert run("tokenize", "folder", "-o", target, *options) == 0
    scp = tmp_path / "wav.scp"
    lines = [f"{key} {tmp_path}/folder/{key}.wav\n" for key in sorted(folder)]
    scp.write_text("".join(lines))
    corpus = ["--codec", str(SMALL / "codec.zip"), "--wav_scp", str(scp)]
    tokenize_corpus([*corpus, "--output_dir", "corpus"])
    expected = CodesReader("corpus/codes.scp")
    if form == "npy":
        found = {key: np.load(f"out/{key}.npy") for key in folder}
    else:
        found = {
            key: codes.numpy() for key, codes in CodesReader("out/codes.scp").items()
        }
    assert found.keys() == expected.keys()
    for key, wav in folder.items():
        assert np.array_equal(found[key], expected[key].numpy())
        assert np.array_equal(found[key], trained.encode(wav).numpy())
    # From there, and from the audio, to the same speech.
    assert run("resynthesize", "out", "-o", "back", "--batch_size", "3") == 0
    assert run("resynthesize", "folder", "-o", "through", "--batch_size", "5") == 0
    captured = capsys.readouterr()
    assert captured.out == "" and "100%" in captured.err  # the progress bar
    for key, wav in folder.items():
        decoded = trained.decode(found[key])
        assert same(f"back/{key}.wav", decoded)
        assert same(f"through/{key}.wav", decoded[: len(wav)])


@pytest.mark.parametrize("name", ["pattern", "table", "directory", "files", "all"])
def test_ways_to_name_inputs(run, prompts, tmp_path, name):
    keys = sorted(path.stem for path in prompts if path.stem.startswith("sltx"))
    paths = [SMALL / f"prompts/{key}.flac" for key in keys]
    data = tmp_path / "data"
    data.mkdir()
    table = "".join(f"{key} cat {path} |\n" for key, path in zip(keys, paths))
    (data / "wav.scp").write_text(table)
    names = {
        "pattern": [SMALL / "prompts/sltx*.flac"],
        "table": ["data/wav.scp"],
        "directory": ["data"],
        "files": paths,
        "all": [paths[0], SMALL / "prompts/sltx*.fla[c]", paths[1]],
    }[name]
    assert run("tokenize", *names, "-o", "out") == 0
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.npy")) == keys


def test_a_kaldi_directory_with_segments_is_cut(run, trained, prompts, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wav.scp").write_text(f"rec {prompts[0]}\n")
    (tmp_path / "data/segments").write_text("a rec 0.1 0.9\nb rec 1.0 -1\n")
    assert run("tokenize", "data", "-o", "out") == 0
    wav = load(prompts[0])
    parts = {"a": wav[1600:14400], "b": wav[16000:]}
    for key, part in parts.items():
        codes = np.load(tmp_path / f"out/{key}.npy")
        assert np.array_equal(codes, trained.encode(part).numpy())


@pytest.mark.parametrize("rate", [8000, 44100])
def test_stereo_of_another_rate_is_mixed_and_resampled(
    run, trained, prompts, rate, tmp_path
):
    wav, _ = soundfile.read(prompts[0], dtype="float32")
    two = np.stack([wav, 0.5 * wav], axis=1)
    soundfile.write("two.wav", two, rate, subtype="FLOAT")
    assert run("tokenize", "two.wav") == 0
    expected = trained.encode(two, rate)
    assert np.array_equal(np.load("two.npy"), expected.numpy())
    assert expected.shape[1] == -(-len(wav) * 16000 // rate) // 320 + 1


def test_voices_are_converted_by_swapping_alone_and_together(
    run, trained, folder, prompts
):
    reference = trained.encode(load(prompts[-1]))
    options = ["--reference", prompts[-1], "--layers", "2-8"]
    assert run("convert-voice", "folder", *options, "-o", "out") == 0
    for key, wav in folder.items():
        codes = swap_layers(trained.encode(wav), reference, 8)
        assert same(f"out/{key}.wav", trained.decode(codes)[: len(wav)])
    key = next(iter(folder))
    run("tokenize", prompts[-1], "-o", "voice.npy")
    options[1] = "voice.npy"  # codes are as good
    assert run("convert-voice", f"folder/{key}.wav", *options) == 0
    assert np.array_equal(samples(f"{key}_converted.wav"), samples(f"out/{key}.wav"))


def test_voices_are_converted_by_the_nar_model(run, trained, prompts, tmp_path):
    (tmp_path / "text").write_text(f"{prompts[0].stem} THE FARMER FOUND\n")
    options = ["--reference", prompts[-1], "--uslm", SMALL / "uslm.zip"]
    assert run("convert-voice", prompts[0], *options, "-o", "blind.wav") == 0
    texts = ["--text", "text", "--reference_text", "HER HAMMER IS ORANGE"]
    assert run("convert-voice", prompts[0], *options, *texts, "-o", "x.wav") == 0
    tts = Text2Speech.from_pretrained(SMALL / "uslm.zip", codec=trained)
    wav = load(prompts[0])
    codes = trained.encode(wav)
    prompt = tts.prompt(load(prompts[-1]), "HER HAMMER IS ORANGE")
    text = tts.tokens("THE FARMER FOUND")
    converted = tts.tts.synthesizer.convert_voices([codes[0]], [text], [prompt])[0]
    assert same("x.wav", trained.decode(converted)[: len(wav)])
    assert not np.array_equal(samples("x.wav"), samples("blind.wav"))
    assert run("convert-voice", prompts[0], *options[:2], *texts) == 2


def test_a_text_is_spoken(run, trained, prompts, capfdbinary):
    text, words = "The farmer found a red rope.", "Words of the prompt"
    options = ["--prompt", prompts[0], "--prompt_text", words, "--seed", "3"]
    assert run("synthesize", text, *USLM, *options) == 0
    tts = Text2Speech.from_pretrained(SMALL / "uslm.zip", codec=trained, seed=3)
    expected = tts(text, prompts[0], words)["wav"]
    assert same("out.wav", expected)
    more = ["--temperature", "0", "--nbest", "1", "-o", "-"]
    assert run("synthesize", text, *USLM, *options, *more) == 0
    greedy = tts(text, prompts[0], words, temperature=0.0, nbest=1)["wav"]
    assert same(io.BytesIO(capfdbinary.readouterr().out), greedy)
    assert not torch.equal(greedy[:9999], expected[:9999])
    piped = ["-o", "piped.wav"]
    assert run("synthesize", "-", *USLM, *options, *piped, stdin=text.encode()) == 0
    assert same("piped.wav", expected)


def test_info_of_a_codec(run, trained, capsys):
    assert run("info", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about["kind"] == "codec" and about["model"] == str(SMALL / "codec.zip")
    for name in ("n_q", "codebook_size", "sample_rate", "frame_rate", "hop_length"):
        assert about[name] == getattr(trained, name)
    assert about["bits_per_second"]["1"] == 50 * 8
    assert about["bits_per_second"]["1-8"] == 50 * 8 * 8
    assert about["parameters"]["codebooks"] == trained.codebooks.numel()
    assert about["streams"] is False and about["latency"] is None
    assert run("info", SMALL / "codec.zip") == 0
    text = capsys.readouterr().out
    assert "sample rate       16,000\n" in text and "1-8 3,200" in text


def test_info_of_a_uslm(run, capsys):
    assert run("info", SMALL / "uslm.zip", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    tts = Text2Speech.from_pretrained(SMALL / "uslm.zip", codec=SMALL / "codec.zip")
    assert about["kind"] == "uslm"
    assert (about["n_q"], about["codebook_size"]) == (8, 256)
    for part in ("ar", "nar"):
        state = getattr(tts.tts, part).state_dict()
        unique = {x.data_ptr(): x.numel() for x in state.values()}
        assert about["parameters"][part] == sum(unique.values())
    assert about["decoding"]["ar_prompt"] is False
    assert run("info", SMALL / "uslm.zip") == 0
    assert "ar_prompt no" in capsys.readouterr().out


def test_info_tells_licence_and_results_of_a_packed_model(run, capsys, tmp_path):
    with zipfile.ZipFile(SMALL / "codec.zip") as old:
        members = {name: old.read(name) for name in old.namelist()}
    meta = yaml.safe_load(members["meta.yaml"]) | {"license": "cc-by-4.0"}
    members |= {"meta.yaml": yaml.safe_dump(meta), "RESULTS.md": "|WER|\n|3.6|\n"}
    with zipfile.ZipFile(tmp_path / "told.zip", "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    shutil.unpack_archive(tmp_path / "told.zip", tmp_path / "told")
    for model in ("told.zip", "told"):
        assert run("info", model) == 0
        text = capsys.readouterr().out
        assert "license cc-by-4.0" in text and text.endswith("\n|WER|\n|3.6|\n")


def test_info_tells_how_a_model_was_trained(run, capsys, tmp_path):
    shutil.unpack_archive(SMALL / "codec.zip", tmp_path / "packed")
    config = yaml.safe_load(next(Path("packed").rglob("config.yaml")).read_text())
    config |= {"max_epoch": 4, "seed": 777, "version": "202611"}
    config["train_data_path_and_name_and_type"] = [["a/wav.scp", "audio", "sound"]]
    config["codec_conf"]["teacher_conf"] = {"name": "exp/teacher", "layer": "units"}
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp/config.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(next(Path("packed").rglob("*.pth")), "exp/latest.pth")
    assert run("info", "exp", "--json") == 0
    assert json.loads(capsys.readouterr().out)["training"] == {
        "max_epoch": 4,
        "seed": 777,
        "espnet": "202611",
        "data": ["a/wav.scp"],
        "teacher": "exp/teacher",
        "teacher_layer": "units",
    }
