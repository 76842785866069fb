"""Voice conversion by the NAR model, as a command."""

import pytest
import soundfile
import torch
from tiny_uslm import HOP, StandIn, save_uslm

from espnet_st.bin import voice_conversion
from espnet_st.bin.tts_inference import Text2Speech
from espnet_st.codes import CodesWriter
from espnet_st.uslm.decoding import Prompt, revoice


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
        wanted = revoice(tts.tts, [source[0]], [text], [prompt])[0]
        assert any(codes.equal(wanted) for codes in spoken)
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
