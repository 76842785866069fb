"""Voice conversion by the NAR model, of codes and as a command."""

import pytest
import soundfile
import torch
from tiny_uslm import HOP, StandIn, save_uslm

from espnet_st.bin import voice_conversion
from espnet_st.codes import CodesWriter
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.inference.voice_conversion import (
    conversion_by_nar,
    conversion_by_swapping,
    convert_set,
)
from espnet_st.uslm.decoding.prompts import Prompt


@pytest.mark.parametrize("options", [dict(), dict(rotary=True, align=True)])
def test_the_nar_model_gives_a_source_another_voice(tmp_path, monkeypatch, options):
    exp, spoken = save_uslm(tmp_path / "exp", **options), []

    class Listening(StandIn):
        def decode_batch(self, codes):
            spoken.extend(codes)
            return super().decode_batch(codes)

    monkeypatch.setattr(
        voice_conversion.AudioCoding, "from_pretrained", lambda *_: Listening()
    )
    source, voice = torch.randint(11, (2, 4, 8), generator=torch.manual_seed(0))
    with CodesWriter(tmp_path / "codes") as writer:
        writer["worded"], writer["wordless"], writer["v"] = source, source, voice
    (tmp_path / "text").write_text("worded abc\nv ca\n")
    (tmp_path / "utt2ref").write_text("worded v\nwordless v\nlost v\n")
    voice_conversion.main([
        "--method", "nar", "--uslm", str(exp), "--codec", "any",
        "--codes_scp", str(tmp_path / "codes/codes.scp"),
        "--utt2ref", str(tmp_path / "utt2ref"), "--text", str(tmp_path / "text"),
        "--output_dir", str(tmp_path / "out"), "--batch_size", "1",
    ])  # fmt: skip
    tts = Text2Speech.from_pretrained(exp, codec=StandIn())
    prompt = Prompt(tts.tokens("ca"), voice)
    for text in (tts.tokens("abc"), None):
        expected = tts.tts.synthesizer.convert_voices([source[0]], [text], [prompt])[0]
        assert any(codes.equal(expected) for codes in spoken)
    assert not spoken[0].equal(spoken[1])
    lines = (tmp_path / "out/wav.scp").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["worded", "wordless"]
    assert all(soundfile.info(line.split()[1]).frames == 8 * HOP for line in lines)


@pytest.mark.parametrize("options", [["--method", "nar"], ["--uslm", "x"]])
def test_the_uslm_belongs_to_the_nar_method(options, tmp_path, capsys):
    paths = ["--codec", "x", "--codes_scp", "y", "--utt2ref", "z"]
    with pytest.raises(SystemExit):
        voice_conversion.main([*paths, "--output_dir", str(tmp_path), *options])
    assert "--method nar takes --uslm" in capsys.readouterr().err


@pytest.mark.parametrize("worded", [True, False])
def test_conversion_keeps_what_is_said(model, tiny, worded):
    sources = tiny.utterances([(4, 9), (6, 12), (3, 5)], seed=8)
    others = tiny.utterances([(2, 6), (5, 10), (4, 7)], seed=9)
    voices = [Prompt(text, codes) for text, codes in others]
    semantic = [codes[0] for _, codes in sources]
    texts = [text if worded else None for text, _ in sources]
    voices[1] = Prompt(None, voices[1].codes)
    together = model.synthesizer.convert_voices(semantic, texts, voices)
    for i in range(3):
        assert together[i].shape == (4, len(semantic[i]))
        assert together[i][0].equal(semantic[i])
        alone = model.synthesizer.convert_voices(
            semantic[i : i + 1], texts[i : i + 1], voices[i : i + 1]
        )
        assert together[i].equal(alone[0])
    others = model.synthesizer.convert_voices(semantic, texts, voices[::-1])
    assert not others[0].equal(together[0])


def test_conversion_refuses_what_it_cannot_convert(tiny):
    model, codes = tiny.build(max_frames=12), torch.zeros(4, 6, dtype=torch.long)
    voice = Prompt(None, codes)
    for semantic, prompt, message in (
        (codes[0, :0], voice, "0 frames in a voice of 6"),
        (codes[0], Prompt(None, codes[:, :0]), "6 frames in a voice of 0"),
        (torch.zeros(7, dtype=torch.long), voice, "together at most max_frames, 12"),
        (codes[0] + 11, voice, r"expected \[0, 10\]"),
        (codes[0], Prompt(None, codes[:3]), "3 layers; expected 4"),
    ):
        with pytest.raises(ValueError, match=message):
            model.synthesizer.convert_voices([semantic], [None], [prompt])


def test_conversion_takes_the_nar_model_only(tiny):
    ((text, source), (words, voice)) = tiny.utterances([(4, 9), (3, 6)])
    inputs = [source[0]], [text], [Prompt(words, voice)]
    whole, half = tiny.build(), tiny.build(train="nar", seed=5)
    state = whole.state_dict()
    half.load_state_dict({key: state[key] for key in half.state_dict()})
    assert half.synthesizer.convert_voices(*inputs)[0].equal(
        whole.synthesizer.convert_voices(*inputs)[0]
    )
    with pytest.raises(ValueError, match="has no NAR model"):
        tiny.build(train="ar").synthesizer.convert_voices(*inputs)


def test_a_killed_conversion_loses_one_batch_at_most(tmp_path, monkeypatch):
    tts = Text2Speech.from_pretrained(save_uslm(tmp_path / "exp"), codec=StandIn())
    keys, predicted = [f"u{index}" for index in range(6)], []
    with CodesWriter(tmp_path / "codes") as writer:
        for index, key in enumerate(keys):
            writer[key] = torch.full((4, 3 + index), index)
    (tmp_path / "utt2ref").write_text("".join(f"{key} u0\n" for key in keys))
    by_nar = conversion_by_nar(tts, {})

    def convert(source, reference, *codes):
        predicted.append(source)
        return by_nar(source, reference, *codes)

    class Killed(StandIn):
        """Dies when it is to decode its third batch."""

        def decode_batch(self, codes):
            if len(predicted) > 4:
                raise KeyboardInterrupt
            return super().decode_batch(codes)

    def run(codec):
        scp, utt2ref = tmp_path / "codes/codes.scp", tmp_path / "utt2ref"
        convert_set(codec, scp, utt2ref, tmp_path / "out", convert, 2)

    with pytest.raises(KeyboardInterrupt):
        run(Killed())
    assert predicted == keys[::-1]  # the longest first, two by two
    written = {path.stem: path.stat().st_mtime_ns for path in tmp_path.glob("out/*/*")}
    assert sorted(written) == keys[2:]
    predicted.clear()
    run(StandIn())
    assert predicted == ["u1", "u0"]
    assert all(
        (tmp_path / f"out/wav/{key}.wav").stat().st_mtime_ns == when
        for key, when in written.items()
    )
    lines = (tmp_path / "out/wav.scp").read_text().splitlines()
    assert [line.split()[0] for line in lines] == keys


def test_progress_of_a_conversion_is_shown(tmp_path, capsys):
    with CodesWriter(tmp_path / "codes") as writer:
        writer["a"], writer["b"] = torch.ones(4, 5).long(), torch.ones(4, 3).long()
    (tmp_path / "utt2ref").write_text("a b\nb a\n")
    scp, convert = tmp_path / "codes/codes.scp", conversion_by_swapping(4)
    convert_set(StandIn(), scp, tmp_path / "utt2ref", tmp_path / "out", convert, 1)
    assert "2/2" in capsys.readouterr().err


def test_another_way_or_reference_in_the_same_directory_is_refused(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(
        voice_conversion.AudioCoding, "from_pretrained", lambda *_: StandIn()
    )
    with CodesWriter(tmp_path / "codes") as writer:
        for key in "abc":
            writer[key] = torch.ones(4, 5).long()
    (tmp_path / "utt2ref").write_text("a b\nb a\n")

    def run(*options):
        voice_conversion.main([
            "--codec", "any", "--codes_scp", str(tmp_path / "codes/codes.scp"),
            "--utt2ref", str(tmp_path / "utt2ref"),
            "--output_dir", str(tmp_path / "out"), *options,
        ])  # fmt: skip

    run("--layers", "2-4")
    with pytest.raises(ValueError, match="was begun with layers 4, now 2"):
        run("--layers", "2")
    (tmp_path / "utt2ref").write_text("a c\nb a\n")
    with pytest.raises(ValueError, match="1 results of other input, a for one"):
        run("--layers", "2-4")


def test_pairs_may_have_names_of_their_own(tmp_path):
    """One source with several references is several pairs."""
    made = {}

    def convert(source, reference, source_codes, reference_codes):
        made[source, reference] = source_codes.shape, reference_codes.shape
        return source_codes

    with CodesWriter(tmp_path / "codes") as writer:
        for key, length in (("s", 8), ("a", 5), ("b", 6)):
            writer[key] = torch.zeros(4, length, dtype=torch.long)
    (tmp_path / "utt2ref").write_text("s-to-a a\ns-to-b b\n")
    (tmp_path / "utt2src").write_text("s-to-a s\ns-to-b s\n")
    paths = tmp_path / "codes/codes.scp", tmp_path / "utt2ref", tmp_path / "out"
    convert_set(StandIn(), *paths, convert, 2, utt2src=tmp_path / "utt2src")
    assert made == {("s", "a"): ((4, 8), (4, 5)), ("s", "b"): ((4, 8), (4, 6))}
    index = (tmp_path / "out/wav.scp").read_text().split()
    assert index[::2] == ["s-to-a", "s-to-b"]
    (tmp_path / "utt2src").write_text("s-to-a s\n")
    with pytest.raises(ValueError, match="names no source of s-to-b"):
        convert_set(StandIn(), *paths, convert, 2, utt2src=tmp_path / "utt2src")
