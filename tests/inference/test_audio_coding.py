"""AudioCoding and its commands on a tiny trained-looking codec, with bad input."""

import numpy as np
import pytest
import soundfile
import torch

from espnet_st.bin.codec_inference import main as decode_main
from espnet_st.bin.tokenize import main as tokenize_main
from espnet_st.codes import CodesReader
from espnet_st.inference.audio_coding import AudioCoding


def test_contract(codec):
    assert (codec.sample_rate, codec.hop_length, codec.frame_rate) == (16000, 320, 50)
    assert (codec.n_q, codec.codebook_size) == (3, 8)
    codes = codec.encode(torch.randn(1000), sample_rate=16000)
    assert codes.shape == (3, 4) and codes.dtype == torch.int64
    assert codec.decode(codes).shape == (1280,)
    assert codec.quantized(codes).shape == (3, 4, 16)
    total = codec.quantized(codes).sum(0)
    expected = sum(codec.codebooks[i][codes[i]] for i in range(3))
    torch.testing.assert_close(total, expected)


def test_batch_position_and_padding_do_not_matter(codec):
    wavs = [torch.randn(n) for n in (1, 700, 16000, 3201)]
    for order in ([0, 1, 2, 3], [2, 0, 3, 1], [3, 3, 0]):
        together = codec.encode_batch([wavs[i] for i in order])
        decoded = codec.decode_batch(together)
        for index, codes, wav in zip(order, together, decoded, strict=True):
            alone = codec.encode(wavs[index])
            assert torch.equal(codes, alone)
            torch.testing.assert_close(wav, codec.decode(alone))


def test_kinds_of_input(codec):
    wav = (0.1 * torch.randn(3200)).clamp(-1, 1)
    codes = codec.encode(wav)
    stereo = torch.stack([wav, wav])
    assert torch.equal(codec.encode(stereo), codes)
    assert torch.equal(codec.encode(stereo.t().numpy()), codes)
    pcm = (wav * 32768).round().to(torch.int16)
    assert torch.equal(codec.encode(pcm), codec.encode(pcm.float() / 32768))
    assert codec.encode(wav, sample_rate=8000).shape == (3, 20)
    assert codec.encode(torch.zeros(640)).shape == (3, 2)  # silence is audio
    out = codec(wav)
    assert torch.equal(out["codes"][:, 0], codes) and out["resyn_audio"].shape == (
        3200,
    )


def test_what_comes_back_can_be_changed_and_trained_on(codec):
    """Ordinary tensors, none of which shares memory with another or with the model."""
    wavs = [torch.randn(n) for n in (3000, 3000, 40000)]
    codes = codec.encode_batch(wavs)
    decoded = codec.decode_batch(codes)
    called = codec(wavs[0])
    vectors, codebooks = codec.quantized(codes[0]), codec.codebooks
    found = [*codes, *decoded, *called.values(), vectors, codebooks]
    found += [codec.encode(wavs[0]), codec.decode(codes[0])]
    assert not any(x.is_inference() or x.requires_grad for x in found)
    table = torch.nn.Embedding(8, 4)
    (table(codes[0]).sum() + table(called["codes"]).sum()).backward()
    for wav in (decoded[0], called["resyn_audio"][None]):
        torch.nn.Linear(wav.shape[-1], 1)(wav).sum().backward()
    for x in (vectors, codebooks):
        torch.nn.Linear(16, 1)(x).sum().backward()
    before = [x.clone() for x in found]
    for index, x in enumerate(found):
        x.fill_(1)
        assert all(
            torch.equal(*pair) for pair in zip(found[index + 1 :], before[index + 1 :])
        )
    assert torch.equal(codec.encode(wavs[0]), before[0])
    assert torch.equal(codec.decode(before[0]), before[3])


def test_the_models_own_tensors_are_ordinary(exp):
    codec = AudioCoding.from_pretrained(exp)
    codec.decode(codec.encode(torch.randn(4000)))
    own = [*codec.generator.parameters(), *codec.generator.buffers()]
    assert own and not any(x.is_inference() for x in own)
    # Fine-tuning: gradients reach the model, also after it was used.
    codec.generator.decoder.requires_grad_(True)
    codec.generator.decoder(torch.randn(1, 16, 5)).sum().backward()
    assert all(p.grad is not None for p in codec.generator.decoder.parameters())


@pytest.mark.parametrize(
    ("wav", "message"),
    [
        (torch.zeros(0), "not empty"),
        (torch.tensor([0.0, float("nan")]), "NaN"),
        (torch.tensor([0.0, float("inf")]), "infinite"),
        (torch.zeros(2, 2, 2), "expected \\(N,\\)"),
    ],
)
def test_bad_audio_is_refused(codec, wav, message):
    with pytest.raises(ValueError, match=message):
        codec.encode(wav)


def test_a_callers_autocast_changes_nothing(codec):
    wav = torch.randn(4000)
    codes, decoded = codec.encode(wav, 8000), codec.decode(codec.encode(wav))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(codec.encode(wav, 8000), codes)
        assert torch.equal(codec.decode(codec.encode(wav)), decoded)


def test_codes_of_any_form_are_decoded(codec):
    codes = codec.encode(torch.randn(3000))
    wav, vectors = codec.decode(codes), codec.quantized(codes)
    forms = [codes.numpy(), codes.tolist(), codes[:, None], codes[:, None].numpy()]
    forms += [codes.to(kind) for kind in (torch.uint8, torch.int16, torch.int32)]
    forms += [codes.numpy().astype(kind) for kind in ("uint8", "uint16", "int32")]
    for form in forms:
        assert torch.equal(codec.decode(form), wav)
        assert torch.equal(codec.quantized(form), vectors)
    with pytest.raises(ValueError, match="expected integers"):
        codec.decode(codes.numpy().astype("float32"))
    with pytest.raises(ValueError, match=r"\(3, 2, 10\)"):
        codec.decode(codes[:, None].expand(-1, 2, -1))


def test_espnets_form_takes_what_encode_takes(codec):
    wav = (0.1 * torch.randn(3200)).clamp(-1, 1)
    plain = codec(wav)
    for audio in (
        torch.stack([wav, wav], 1),
        wav[None].numpy(),
        wav.clone().requires_grad_(),
    ):
        out = codec(audio)
        assert torch.equal(out["codes"], plain["codes"])
        assert torch.equal(out["resyn_audio"], plain["resyn_audio"])
    assert codec(wav.bfloat16())["resyn_audio"].shape == (3200,)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.full((3, 2), 8), "do they belong to this model"),
        (torch.full((3, 2), -1), r"\[-1, -1\]; expected \[0, 7\]"),
        (torch.zeros(4, 2, dtype=torch.long), "at most 3"),
        (torch.zeros(0, 2, dtype=torch.long), "0 layers; expected at least 1"),
        (torch.zeros(3, 0, dtype=torch.long), "at least 1"),
        (torch.zeros(3, 2), "expected integers"),
    ],
)
def test_bad_codes_are_refused(codec, codes, message):
    with pytest.raises(ValueError, match=message):
        codec.decode(codes)


def test_wrong_directories_and_checkpoints_are_refused(exp, tmp_path):
    with pytest.raises(ValueError, match="no directory"):
        AudioCoding.from_pretrained(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"no .*config\.yaml"):
        AudioCoding.from_pretrained(tmp_path)
    (tmp_path / "config.yaml").write_text((exp / "config.yaml").read_text())
    with pytest.raises(ValueError, match="no checkpoint"):
        AudioCoding.from_pretrained(tmp_path)
    model = tmp_path / "latest.pth"
    torch.save({}, model)
    with pytest.raises(ValueError, match=r"missing codec\.generator\."):
        AudioCoding.from_pretrained(tmp_path)
    model.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        AudioCoding.from_pretrained(tmp_path)
    torch.save({"x": torch.nn.Linear(1, 1)}, model)  # would run code when unpickled
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        AudioCoding.from_pretrained(tmp_path)
    state = torch.load(exp / "train.total_count.best.pth")
    key = "codec.generator.projection.weight"
    torch.save(
        state | {key: torch.zeros(1, 2), "codec.generator.extra": torch.ones(1)}, model
    )
    with pytest.raises(ValueError, match=r"unexpected.*extra.*projection.*\(1, 2\)"):
        AudioCoding.from_pretrained(tmp_path)


def test_tokenize_and_decode_a_set_with_bad_items(exp, codec, tmp_path, caplog):
    rng = np.random.default_rng(0)
    lines = []
    for key, length in (("a", 3000), ("b", 500), ("c", 9000)):
        path = tmp_path / f"{key}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(length), 16000)
        lines.append(f"{key} {path}\n")
    (tmp_path / "bad.wav").write_bytes(b"RIFF nonsense")
    lines += [f"corrupt {tmp_path / 'bad.wav'}\n", f"missing {tmp_path / 'no.wav'}\n"]
    lines.append(f"piped cat {tmp_path / 'a.wav'} |\n")
    scp = tmp_path / "wav.scp"
    scp.write_text("".join(lines))

    command = ["--codec", str(exp), "--wav_scp", str(scp), "--batch_size", "2"]
    command += ["--output_dir", str(tmp_path / "codes")]
    tokenize_main(command)
    assert "2 skipped: corrupt missing" in caplog.text
    reader = CodesReader(tmp_path / "codes" / "codes.scp")
    assert list(reader) == ["a", "b", "c", "piped"]
    wav, _ = soundfile.read(tmp_path / "c.wav", dtype="float32")
    assert torch.equal(reader["c"], codec.encode(wav))
    assert torch.equal(reader["piped"], reader["a"])
    before = (tmp_path / "codes" / "codes.ark").read_bytes()
    tokenize_main(command)  # finished items are not made again
    assert (tmp_path / "codes" / "codes.ark").read_bytes() == before

    scp.write_text("".join(lines[:3]) + lines[-1])
    out = tmp_path / "decoded"
    decode_main(
        ["--codec", str(exp), "--codes_scp", str(tmp_path / "codes" / "codes.scp")]
        + ["--output_dir", str(out), "--layers", "1-2", "--batch_size", "3"]
    )
    made = (out / "wav.scp").read_text().split()[::2]
    assert made == ["a", "b", "c", "piped"]
    wav, rate = soundfile.read(out / "wav" / "c.wav", dtype="float32")
    expected = codec.decode(reader["c"][:2])
    assert rate == 16000 and len(wav) == 29 * 320
    assert np.abs(wav - expected.numpy()).max() < 1e-3


def test_a_decoded_set_is_trimmed_to_its_originals_at_the_codecs_rate(
    exp, tmp_path, caplog
):
    rng = np.random.default_rng(0)
    files, pipes = [], []
    for rate in (8000, 16000, 44100):
        path = tmp_path / f"r{rate}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(rate // 2 + 7), rate)
        files.append(f"r{rate} {path}\n")
        pipes.append(f"r{rate} cat {path} |\n")
    (tmp_path / "wav.scp").write_text("".join(files))
    (tmp_path / "pipe.scp").write_text("".join(pipes))
    made = ["--codec", str(exp), "--output_dir"]
    wav_scp = ["--wav_scp", str(tmp_path / "wav.scp")]
    tokenize_main([*made, str(tmp_path / "codes"), *wav_scp])
    codes = ["--codes_scp", str(tmp_path / "codes/codes.scp")]
    for kind in ("wav", "pipe"):
        out = tmp_path / f"out_{kind}"
        scp = ["--wav_scp", str(tmp_path / f"{kind}.scp")]
        decode_main([*made, str(out), *codes, *scp])
        lengths = [
            soundfile.info(out / f"wav/r{rate}.wav").frames
            for rate in (8000, 16000, 44100)
        ]
        assert lengths == [8014, 8007, 8003]
    # Of a segment, too; and an original that cannot be read is named.
    (tmp_path / "segments").write_text("r8000 rec 0.1 0.3\nr16000 no 0 1\n")
    (tmp_path / "rec.scp").write_text(f"rec {tmp_path}/r8000.wav\nno no.wav\n")
    out, scp = tmp_path / "cut", ["--wav_scp", str(tmp_path / "rec.scp")]
    segments = ["--segments", str(tmp_path / "segments")]
    decode_main([*made, str(out), *codes, *scp, *segments])
    assert soundfile.info(out / "wav/r8000.wav").frames == 3200
    assert "skipped r16000: cannot read audio no.wav" in caplog.text


def test_no_key_writes_outside_of_the_directory(exp, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(900, 0.1), 16000)
    (tmp_path / "wav.scp").write_text(f"../../escape {tmp_path}/a.wav\n")
    made = ["--codec", str(exp), "--output_dir"]
    codes = tmp_path / "codes"
    tokenize_main([*made, str(codes), "--wav_scp", str(tmp_path / "wav.scp")])
    out = tmp_path / "a/b"
    with pytest.raises(ValueError, match="'../../escape' names a file outside of"):
        decode_main([*made, str(out), "--codes_scp", str(codes / "codes.scp")])
    assert not list(tmp_path.rglob("escape*"))


def test_archives_and_forms_of_arrays_are_encoded_alike(codec):
    wav = 0.1 * torch.randn(3200)
    right = codec.encode(wav)
    pcm = (wav.clamp(-1, 1) * 32767).short()
    for form in (pcm.int(), pcm.long(), pcm.tolist()):
        with pytest.raises(ValueError, match="Convert them to int16"):
            codec.encode(form)
    array = wav.numpy()
    for form in (array[::-1].copy()[::-1], array.astype(">f4"), array.tolist()):
        assert torch.equal(codec.encode(form), right)
    for form in (right.numpy()[::-1].copy()[::-1], right.numpy().astype(">i2")):
        assert torch.equal(codec.decode(form), codec.decode(right))
    with pytest.raises(ValueError, match="codes are object; expected integers"):
        codec.decode(np.array([[None]]))
    with pytest.raises(ValueError, match="expected a dense one"):
        codec.decode(right.to_sparse())


def test_what_comes_out_can_be_trained_with_and_changed(codec):
    codes = codec.encode(0.1 * torch.randn(3200))
    torch.nn.Embedding(codec.codebook_size, 4)(codes[0]).sum().backward()
    codec.decode(codes).clamp_(-1, 1)
    codes[0].fill_(0)


def test_a_codec_moves_and_comes_back_the_same(exp):
    """To a device that every torch has, and back; no GPU is needed for that."""
    codec, wav = AudioCoding.from_pretrained(exp), torch.randn(3000)
    codes = codec.encode(wav)
    tensors = [*codec.generator.parameters(), *codec.generator.buffers()]
    assert codec.to(torch.device("cpu")) is codec and codec.device == "cpu"
    assert torch.equal(codec.encode(wav), codes)
    after = [*codec.generator.parameters(), *codec.generator.buffers()]
    assert all(map(torch.equal, tensors, after))
    codec.to("meta")
    everything = [*codec.generator.parameters(), *codec.generator.buffers()]
    assert codec.device == "meta" and {x.device.type for x in everything} == {"meta"}


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(exp, device):
    with pytest.raises(ValueError, match=f"cannot run on device '{device}' here"):
        AudioCoding.from_pretrained(exp, device=device)
    codec = AudioCoding.from_pretrained(exp)
    with pytest.raises(ValueError, match="expected cpu, or cuda where torch finds"):
        codec.to(device)
    assert codec.encode(torch.randn(100)).shape == (3, 1)
