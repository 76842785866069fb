import shutil

import pytest
from make_pairs import pick, prompts, references, references_of_one

from espnet_st.data.kaldi import read_table


@pytest.fixture
def test_set(data_dir, tmp_path, script):
    out = tmp_path / "test"
    assert script("scripts/format_wav_scp.py", data_dir, out)[0] == 0
    return out


def test_prompts_are_of_the_same_voice_and_near_3_s():
    text = {f"u{n}": f"TEXT {n}" for n in range(6)} | {"u5": "TEXT 0"}
    utt2spk = dict.fromkeys(text, "x") | {"u4": "y"}
    seconds = {"u0": 1.0, "u1": 3.5, "u2": 2.9, "u3": 9.0, "u4": 3.0, "u5": 3.0}
    chosen = prompts(list(text), text, utt2spk, seconds)
    # u5 is exactly 3 s, but says what u0 says; u4 has no other sentence of its voice.
    assert chosen["u0"] == "u2" and chosen["u1"] == "u5" and chosen["u5"] == "u2"
    assert "u4" not in chosen


def test_references_are_of_another_voice_and_sentence():
    text = {f"{s}{n}": f"TEXT {n}" for s in "xyz" for n in range(4)}
    utt2spk = {key: key[0] for key in text}
    chosen = references(sorted(text), text, utt2spk)
    assert chosen.keys() == text.keys()
    assert all(utt2spk[key] != utt2spk[ref] for key, ref in chosen.items())
    assert all(text[key] != text[ref] for key, ref in chosen.items())
    # Each voice is converted to each other one.
    turns = {(utt2spk[key], utt2spk[ref]) for key, ref in chosen.items()}
    assert len(turns) == 6


def test_pick_spreads_evenly():
    keys = [f"{n:02}" for n in range(10)]
    assert pick(keys, 0) == pick(keys, 10) == pick(keys, 99) == keys
    assert pick(keys, 2) == ["00", "05"]


def test_files_hold_together_and_are_the_same_again(test_set, tmp_path, script):
    assert script("scripts/make_pairs.py", test_set)[0] == 0
    first = tmp_path / "first"
    shutil.copytree(test_set, first)
    assert script("scripts/make_pairs.py", test_set)[0] == 0
    files = sorted(p.relative_to(test_set) for p in test_set.rglob("*") if p.is_file())
    for file in files:
        assert (first / file).read_bytes() == (test_set / file).read_bytes(), file
    zeroshot = {
        name: read_table(test_set / "zeroshot" / name)
        for name in ("text", "utt2spk", "utt2prompt", "prompt_text", "prompt_wav.scp")
    }
    text = read_table(test_set / "text")
    for key, prompt in zeroshot["utt2prompt"].items():
        assert key[0] == prompt[0] and key != prompt
        assert zeroshot["prompt_text"][key] == text[prompt]
        assert zeroshot["prompt_wav.scp"][key].endswith(f"{prompt}.wav")
    reference = read_table(test_set / "conversion/utt2ref")
    assert {key: ref[0] for key, ref in reference.items()} == {
        "a-1": "b",
        "a-2": "b",
        "b-1": "a",
        "b-2": "a",
    }


def test_the_rate_says_how_long_a_prompt_is(data_dir, tmp_path, script):
    """At 24 kHz a prompt of 72000 samples is one of 3 s."""
    for rate in (16000, 24000):
        out = tmp_path / str(rate)
        options = ["--sample_rate", rate]
        assert script("scripts/format_wav_scp.py", *options, data_dir, out)[0] == 0
        assert script("scripts/make_pairs.py", *options, out)[0] == 0
    prompts = [(tmp_path / f"{rate}/zeroshot/utt2prompt") for rate in (16000, 24000)]
    assert prompts[0].read_text() == prompts[1].read_text()


@pytest.mark.parametrize("source", ["x2", "x"])
def test_one_source_has_a_reference_of_each_other_speaker(source):
    text = {f"{s}{n}": f"TEXT {n}" for s in "wxyz" for n in range(4)}
    utt2spk = {key: key[0] for key in text}
    chosen = references_of_one(source, text, utt2spk)
    assert list(chosen) == ["x2-to-w", "x2-to-y", "x2-to-z"]
    for pair, (of, reference) in chosen.items():
        assert of == "x2" and utt2spk[reference] == pair[-1]
        assert text[reference] != "TEXT 2"
    with pytest.raises(ValueError, match="no utterance or speaker 'v'"):
        references_of_one("v", text, utt2spk)


def test_pairs_of_one_source_have_names_of_their_own(test_set, script):
    options = ["--conversion_source", "a", test_set]
    assert script("scripts/make_pairs.py", *options)[0] == 0
    folder = test_set / "conversion"
    assert read_table(folder / "utt2src") == {"a-2-to-b": "a-2"}
    assert read_table(folder / "utt2ref")["a-2-to-b"][0] == "b"
    assert (
        read_table(folder / "text")["a-2-to-b"] == read_table(test_set / "text")["a-2"]
    )


def test_one_voice_alone_is_refused(data_dir, tmp_path, script):
    text = (data_dir / "utt2spk").read_text().replace(" b", " a")
    (data_dir / "utt2spk").write_text(text)
    assert script("scripts/format_wav_scp.py", data_dir, tmp_path / "test")[0] == 0
    code, said = script("scripts/make_pairs.py", tmp_path / "test")
    assert code == 1 and "no pair for conversion" in said
