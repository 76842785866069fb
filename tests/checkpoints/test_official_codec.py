"""Conversion of official releases: the same codes and samples, back bit for bit."""

import json
import os
import pickle

import pytest
import soundfile
import torch
import yaml
from speechtokenizer import SpeechTokenizer as Official
from tiny import DISCRIMINATORS

from espnet_st.bin.convert import main as convert
from espnet_st.bin.tokenize import main as tokenize
from espnet_st.checkpoints.official_codec import (
    conf_from_official,
    conf_to_official,
    official_names,
)
from espnet_st.codec.generator import Generator
from espnet_st.codes import CodesReader
from espnet_st.inference.audio_coding import AudioCoding

RELEASE = {
    "sample_rate": 16000,
    "dimension": 1024,
    "semantic_dimension": 768,
    "n_filters": 64,
    "strides": [8, 5, 4, 2],
    "lstm_layers": 2,
    "bidirectional": True,
    "dilation_base": 2,
    "residual_kernel_size": 3,
    "n_residual_layers": 1,
    "activation": "ELU",
    "n_q": 8,
    "codebook_size": 1024,
}
SMALL = RELEASE | {
    "dimension": 12,
    "semantic_dimension": 10,
    "n_filters": 4,
    "n_q": 4,
    "codebook_size": 32,
    "batch_size": 6,  # of the official trainer
}
CASES = {
    "elu": {},
    "snake": {"activation": "Snake"},
    "odd strides": {"strides": [5, 3], "n_residual_layers": 2, "dilation_base": 3},
    "one way": {"bidirectional": False, "lstm_layers": 1, "residual_kernel_size": 5},
    "no LSTM": {"bidirectional": False, "lstm_layers": 0, "activation": "Snake"},
    "no projection": {"semantic_dimension": 12, "sample_rate": 24000},
}


def noise(batch, samples):
    """Noise (B, 1, N) that swells and fades, for codes that change."""
    swell = torch.sin(torch.arange(samples) / 900).square()
    return swell * torch.randn(batch, 1, samples)


def make_release(directory, config, seed=0):
    """An official model whose entries lie among its latents, and its directory."""
    torch.manual_seed(seed)
    model = Official(config).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith((".alpha", ".cluster_size", ".embed_avg", ".inited")):
            tensor.uniform_(0.5, 2)
    wav = noise(3, 16000)
    with torch.no_grad():
        # Latents far from zero and near each other would make codes a toss-up.
        last = model.encoder.model[-1].conv.conv
        last.bias.sub_(model.encoder(wav).mean((0, 2)))
        rest = model.encoder(wav).transpose(1, 2).flatten(0, 1)
    for layer in model.quantizer.vq.layers:
        book = layer._codebook
        book.embed.normal_().mul_(rest.std(0))
        rest = rest - book.dequantize(book.quantize(rest))
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    torch.save(model.state_dict(), directory / "SpeechTokenizer.pt")
    return model


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_release_gives_the_official_codes_and_samples(case, seed, tmp_path):
    config = SMALL | CASES[case]
    official = make_release(tmp_path / "release", config, seed)
    codec = AudioCoding.from_pretrained(tmp_path / "release")
    assert (codec.sample_rate, codec.n_q) == (config["sample_rate"], 4)
    wav = noise(1, 16123)[0, 0]
    with torch.no_grad():
        expected = official.encode(wav[None, None])[:, 0]
        decoded = official.decode(expected[:3, None])[0, 0]
    codes = codec.encode(wav)
    assert torch.equal(codes, expected) and codes.unique().numel() > 8
    torch.testing.assert_close(codec.decode(codes[:3]), decoded, rtol=1e-5, atol=1e-6)


def test_a_release_tokenizes_in_half_precision(tmp_path, has_bfloat16):
    make_release(tmp_path, SMALL | {"dimension": 64, "n_filters": 16})
    soundfile.write(tmp_path / "a.wav", 0.2 * noise(1, 32000)[0, 0].numpy(), 16000)
    (tmp_path / "wav.scp").write_text(f"a {tmp_path / 'a.wav'}\n")
    codes = []
    for dtype in ("float32", "bfloat16"):
        out = str(tmp_path / dtype)
        command = ["--codec", str(tmp_path), "--wav_scp", str(tmp_path / "wav.scp")]
        tokenize([*command, "--output_dir", out, "--dtype", dtype])
        codes.append(CodesReader(f"{out}/codes.scp")["a"])
    assert 0.8 < (codes[0] == codes[1])[0].float().mean()
    assert not torch.equal(*codes)  # it was another precision indeed


@pytest.mark.parametrize("case", CASES)
def test_conversion_and_back_is_exact(case, tmp_path):
    """To an experiment, to the form of Hugging Face, and to a release again."""
    official = make_release(tmp_path / "release", SMALL | CASES[case])
    wav = torch.randn(3000)
    expected = AudioCoding.from_pretrained(tmp_path / "release").encode(wav)
    for source, target, options in (
        ("release", "exp", []),
        ("exp", "huggingface", ["--to", "huggingface"]),
        ("huggingface", "back", ["--to", "official"]),
    ):
        command = ["--codec", str(tmp_path / source), *options]
        convert([*command, "--output_dir", str(tmp_path / target)])
        codec = AudioCoding.from_pretrained(tmp_path / target)
        assert torch.equal(codec.encode(wav), expected)
    made = torch.load(tmp_path / "back/SpeechTokenizer.pt", weights_only=True)
    assert made.keys() == official.state_dict().keys()
    for name, tensor in official.state_dict().items():
        assert made[name].dtype == tensor.dtype and torch.equal(made[name], tensor)
    before, after = (tmp_path / name / "config.json" for name in ("release", "back"))
    assert before.read_bytes() == after.read_bytes()
    Official.load_from_checkpoint(
        str(tmp_path / "back/config.json"), str(tmp_path / "back/SpeechTokenizer.pt")
    )


@pytest.mark.parametrize(
    ("activation", "keys", "parameters"),
    [("ELU", 166, 103_675_586), ("Snake", 192, 103_683_458)],
)
def test_the_release_fits(activation, keys, parameters):
    config = RELEASE | {"activation": activation}
    with torch.device("meta"):
        official = Official(config)
        ours = Generator(**conf_from_official(config))
    expected = {name: v.shape for name, v in official.state_dict().items()}
    state, names = ours.state_dict(), official_names(ours)
    assert len(expected) == keys
    assert {names[key]: tensor.shape for key, tensor in state.items()} == expected
    assert sum(p.numel() for p in ours.parameters()) == parameters
    assert conf_to_official(conf_from_official(config)) == config


def test_espnet_takes_the_experiment_directory(tmp_path):
    from espnet2.bin.gan_codec_inference import AudioCoding as Stock
    from espnet2.tasks.gan_codec import GANCodecTask
    from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

    make_release(tmp_path / "release", SMALL)
    exp = tmp_path / "exp"
    convert(["--codec", str(tmp_path / "release"), "--output_dir", str(exp)])
    state = torch.load(exp / "latest.pth", weights_only=True)
    model, args = GANCodecTask.build_model_from_file(
        exp / "config.yaml", exp / "latest.pth"
    )
    own = model.codec.generator.state_dict()
    assert state.keys() == {f"codec.generator.{key}" for key in own}
    assert all(torch.equal(state[f"codec.generator.{k}"], v) for k, v in own.items())
    fresh = GANCodecTask.build_model(args)
    load_pretrained_model(str(exp / "latest.pth"), fresh, ignore_init_mismatch=False)
    loaded = fresh.codec.generator.projection.weight
    assert torch.equal(loaded, own["projection.weight"])
    wav = torch.randn(3200)
    codes = Stock(exp / "config.yaml", exp / "latest.pth")(wav, encode_only=True)[
        "codes"
    ]
    assert torch.equal(codes.squeeze(), AudioCoding.from_pretrained(exp).encode(wav))


def test_a_training_checkpoint_becomes_a_release(tmp_path):
    from espnet_st.codec.speechtokenizer import SpeechTokenizer

    torch.manual_seed(0)
    conf = conf_from_official(SMALL) | {"discriminator_conf": DISCRIMINATORS}
    model = SpeechTokenizer(**conf)
    state = {f"codec.{key}": tensor for key, tensor in model.state_dict().items()}
    torch.save(state, tmp_path / "3epoch.pth")
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"codec": "speechtokenizer", "codec_conf": conf})
    )
    command = ["--codec", str(tmp_path), "--model_file", str(tmp_path / "3epoch.pth")]
    command += ["--output_dir", str(tmp_path / "release")]
    convert(command)
    made = json.loads((tmp_path / "release/config.json").read_text())
    official = Official.load_from_checkpoint(
        str(tmp_path / "release/config.json"),
        str(tmp_path / "release/SpeechTokenizer.pt"),
    ).eval()
    assert made == {key: SMALL[key] for key in RELEASE}
    wav = torch.randn(1, 1, 1600)
    generator = model.generator.eval()
    with torch.no_grad():
        latent = generator.encoder(wav)
        torch.testing.assert_close(official.encoder(wav), latent, rtol=1e-5, atol=1e-6)
    assert torch.equal(official.transform.weight, generator.projection.weight)
    with pytest.raises(ValueError, match="not empty"):
        convert(command)


def test_wrong_tensors_are_listed_by_their_official_names(tmp_path):
    make_release(tmp_path, SMALL)
    path = tmp_path / "SpeechTokenizer.pt"
    state = torch.load(path)
    lacking = dict(state)
    del lacking["encoder.model.0.conv.conv.weight_g"], lacking["transform.bias"]
    torch.save(lacking, path)
    message = r"2 tensors: missing encoder\.model\.0\.conv\.conv\.weight_g; "
    with pytest.raises(ValueError, match=message + r"missing transform\.bias$"):
        AudioCoding.from_pretrained(tmp_path)
    torch.save(state | {"decoder.model.99.alpha": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"1 tensors: unexpected decoder\.model\.99"):
        AudioCoding.from_pretrained(tmp_path)
    torch.save(state | {"transform.bias": torch.ones(3)}, path)
    with pytest.raises(ValueError, match=r"transform\.bias is \(3,\), expected \(10"):
        convert(["--codec", str(tmp_path), "--output_dir", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_hostile_checkpoint_is_not_run(tmp_path):
    make_release(tmp_path, SMALL)
    path, trace = tmp_path / "SpeechTokenizer.pt", tmp_path / "was_run"
    torch.save({"encoder": Hostile(trace)}, path)
    for content in (path.read_bytes(), pickle.dumps({"encoder": Hostile(trace)})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a readable checkpoint"):
            AudioCoding.from_pretrained(tmp_path)
        assert not trace.exists()
    pickle.loads(pickle.dumps(Hostile(trace)))
    assert trace.exists()  # it was hostile indeed


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "not a readable configuration"),
        ("[]", r"lacks \['sample_rate', "),
        (json.dumps(dict(list(SMALL.items())[1:])), r"lacks \['sample_rate'\]"),
        (json.dumps(SMALL | {"activation": "GELU"}), r"'GELU' is unknown.*Snake"),
        (json.dumps(SMALL | {"n_filters": "4"}), "n_filters: '4'; expected a positive"),
        (json.dumps(SMALL | {"n_q": -1}), "n_q: -1; expected a positive integer"),
        (json.dumps(SMALL | {"bidirectional": 1}), "bidirectional: 1; expected true"),
        (json.dumps(SMALL | {"strides": [8, 0]}), "expected positive integers"),
    ],
)
def test_a_wrong_configuration_is_refused(config, message, tmp_path):
    make_release(tmp_path, SMALL)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match=message):
        AudioCoding.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "spectral"}, "only 'seanet'"),
        ({"encoder_conf": {"kernel_size": 5}}, r"encoder_conf\.kernel_size: 5"),
        ({"decoder_conf": {"n_filters": 8}}, r"decoder_conf\.n_filters: 8"),
        ({"decoder_conf": {"activation": "snake"}}, r"decoder_conf\.activation"),
    ],
)
def test_what_the_official_code_cannot_build_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        conf_to_official(conf_from_official(SMALL) | change)


def test_a_learnt_projection_that_the_official_code_lacks_is_refused(tmp_path):
    make_release(tmp_path / "release", SMALL | CASES["no projection"])
    exp = tmp_path / "exp"
    convert(["--codec", str(tmp_path / "release"), "--output_dir", str(exp)])
    state = torch.load(exp / "latest.pth")
    state["codec.generator.projection.bias"][0] = 1
    torch.save(state, exp / "latest.pth")
    with pytest.raises(ValueError, match="has no projection then"):
        convert(["--codec", str(exp), "--output_dir", str(tmp_path / "back")])
