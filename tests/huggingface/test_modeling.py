"""Codecs as models of `transformers`: the same codes, padded batches, refusals."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from espnet_st.bin.convert import main as convert
from espnet_st.checkpoints.hugging_face import write_hugging_face
from espnet_st.codec.generator import Generator
from espnet_st.inference.audio_coding import AudioCoding

pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")
from transformers import (  # noqa: E402
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoProcessor,
    EncodecConfig,
    EncodecModel,
)

from espnet_st.huggingface import (  # noqa: E402
    SpeechTokenizerConfig,
    SpeechTokenizerModel,
)

ROOT = Path(__file__).resolve().parents[2]
RATE, HOP = 16000, 320
SIZE = {"n_filters": 4, "strides": [2, 4, 5, 8], "lstm_layers": 1}
SEANET = {
    "sample_rate": RATE,
    "dimension": 16,
    "semantic_dimension": 8,
    "encoder_conf": SIZE,
    "decoder_conf": SIZE,
    "quantizer_conf": {"n_q": 3, "codebook_size": 16, "decay": 0.9},
}


def speech():
    """Real speech of several lengths, and signals of one frame and one sample."""
    paths = sorted((ROOT / "tests/trained/prompts").glob("*.flac"))[:2]
    wavs = [torch.from_numpy(soundfile.read(p, dtype="float32")[0]) for p in paths]
    return [*wavs, wavs[0][8000:11111], wavs[0][8000:8320], wavs[0][9000:9001]]


@pytest.fixture(scope="module")
def seanet(tmp_path_factory):
    """A SEANet whose codebooks fit its latents, in the form of Hugging Face."""
    torch.manual_seed(0)
    generator = Generator(**SEANET).train()
    generator.quantizer(generator.encoder(torch.randn(4, 1, 8000)))
    directory = tmp_path_factory.mktemp("seanet")
    write_hugging_face(directory, SEANET, generator.state_dict())
    return directory


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained codec, converted by the command."""
    directory = tmp_path_factory.mktemp("trained") / "hf"
    command = ["--codec", str(ROOT / "tests/trained/codec.zip"), "--to", "huggingface"]
    convert([*command, "--output_dir", str(directory)])
    return directory


@pytest.fixture(scope="module", params=["seanet", "trained"])
def hf(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def batch(seanet):
    """What the feature extractor makes of all signals."""
    extract = AutoFeatureExtractor.from_pretrained(seanet)
    wavs = [wav.numpy() for wav in speech()]
    return extract(wavs, sampling_rate=RATE, return_tensors="pt")


def test_a_padded_batch_has_the_codes_and_samples_of_each_alone(hf, batch):
    model, codec = AutoModel.from_pretrained(hf), AudioCoding.from_pretrained(hf)
    assert type(model) is SpeechTokenizerModel and not model.training
    assert batch["input_values"].shape[1] == 1 and batch["padding_mask"].dim() == 2
    out = model(**batch)
    encoded = model.encode(**batch)
    assert torch.equal(encoded.audio_codes, out.audio_codes)
    frames = [-(-len(wav) // HOP) for wav in speech()]
    assert out.audio_codes.shape == (5, codec.n_q, max(frames))
    assert out.audio_codes.dtype == out.audio_codes_mask.dtype == torch.int64
    assert out.audio_codes_mask.sum(1).tolist() == frames
    assert out.audio_values.shape == batch["input_values"].shape
    decoded = model.decode(out.audio_codes, audio_codes_mask=out.audio_codes_mask)
    for i, wav in enumerate(speech()):
        codes = codec.encode(wav)
        assert torch.equal(out.audio_codes[i, :, : frames[i]], codes)
        assert not out.audio_codes[i, :, frames[i] :].any()
        assert not out.audio_values[i, 0, len(wav) :].any()
        whole = codec.decode(codes)
        # Rows of a batched product may differ in their last bits, as there.
        torch.testing.assert_close(
            out.audio_values[i, 0, : len(wav)], whole[: len(wav)]
        )
        torch.testing.assert_close(decoded.audio_values[i, 0, : len(whole)], whole)
        for form in (wav[None], wav[None, None]):
            one = model.encode(form, num_quantizers=2, return_dict=False)
            assert torch.equal(one[0][0], codes[:2]) and one[1].all()
            assert torch.equal(model(form).audio_values[0, 0], whole[: len(wav)])
    assert out.audio_codes[0].unique().numel() > 8


def test_it_presents_itself_as_the_codecs_there(seanet):
    config = AutoConfig.from_pretrained(seanet)
    assert type(config) is SpeechTokenizerConfig
    assert (config.sampling_rate, config.audio_channels) == (RATE, 1)
    assert (config.num_quantizers, config.codebook_size) == (3, 16)
    assert (config.hop_length, config.frame_rate) == (HOP, 50)
    assert config.hidden_size == config.dimension == 16
    assert config.generator_conf["quantizer_conf"]["decay"] == 0.9
    processor = AutoProcessor.from_pretrained(seanet)
    assert processor.sampling_rate == RATE
    assert type(processor).__name__ == "EncodecFeatureExtractor"
    paper = SpeechTokenizerConfig()
    assert (paper.num_quantizers, paper.hop_length) == (8, HOP)


def test_saving_keeps_every_tensor_and_the_codes(hf, batch, tmp_path):
    model = SpeechTokenizerModel.from_pretrained(hf)
    codes = model.encode(**batch).audio_codes
    model.save_pretrained(tmp_path / "saved")
    files = [path / "model.safetensors" for path in (hf, tmp_path / "saved")]
    before, after = map(safetensors.load_file, files)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    again = SpeechTokenizerModel.from_pretrained(tmp_path / "saved")
    assert torch.equal(again.encode(**batch).audio_codes, codes)
    wav = speech()[1]
    found = AudioCoding.from_pretrained(tmp_path / "saved").encode(wav)
    assert torch.equal(found, AudioCoding.from_pretrained(hf).encode(wav))


@pytest.mark.parametrize("source", ["seanet", "trained"])
def test_conversion_to_espnet_and_back_is_exact(source, request, tmp_path):
    hf = request.getfixturevalue(source)
    for start, end, form in (
        (hf, "exp", "espnet"),
        (tmp_path / "exp", "back", "huggingface"),
    ):
        command = ["--codec", str(start), "--output_dir", str(tmp_path / end)]
        convert([*command, "--to", form])
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        assert (hf / name).read_bytes() == (tmp_path / "back" / name).read_bytes()
    wav = speech()[1]
    codes = AudioCoding.from_pretrained(hf).encode(wav)
    assert torch.equal(AudioCoding.from_pretrained(tmp_path / "exp").encode(wav), codes)


def test_half_precision_keeps_the_codebooks(seanet, batch, has_bfloat16):
    whole = SpeechTokenizerModel.from_pretrained(seanet)
    codes = whole.encode(**batch).audio_codes
    loaded = SpeechTokenizerModel.from_pretrained(seanet, dtype=torch.bfloat16)
    moved = SpeechTokenizerModel.from_pretrained(seanet).to(torch.bfloat16)
    for model in (loaded, moved):
        assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
        entries = model.generator.quantizer.layers[1].entries
        assert torch.equal(entries, whole.generator.quantizer.layers[1].entries)
        out = model(**batch)
        assert out.audio_values.dtype == torch.float32
        same = (out.audio_codes == codes)[0, 0].float().mean()
        assert 0.7 < same < 1  # it was another precision indeed
    back = moved.float().encode(**batch).audio_codes
    assert torch.equal(back, moved.encode(**batch).audio_codes)


def test_what_cannot_be_in_half_precision_says_so(trained, batch):
    model = SpeechTokenizerModel.from_pretrained(trained).to(torch.bfloat16)
    with pytest.raises(ValueError, match=r"SpectralEncoder runs in float32 only"):
        model.encode(**batch)
    model = SpeechTokenizerModel.from_pretrained(trained)
    codes = model.encode(**batch).audio_codes
    # It was packed in float16, and computes in float32, whatever it is kept in.
    assert torch.equal(model.half().encode(**batch).audio_codes, codes)
    assert torch.equal(model.double().encode(**batch).audio_codes, codes)


def test_codes_follow_the_weights_and_gradients_reach_them(seanet, batch):
    model = SpeechTokenizerModel.from_pretrained(seanet)
    twin = copy.deepcopy(model)
    codes = model.encode(**batch).audio_codes
    model.train()
    assert torch.equal(model.encode(**batch).audio_codes, codes)
    assert not model.decode(codes).audio_values.requires_grad
    model.generator.decode(codes.transpose(0, 1)).square().sum().backward()
    learnt = list(model.generator.decoder.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learnt)
    values = model.decode(codes).audio_values
    torch.optim.SGD(learnt, lr=0.1).step()
    assert not torch.equal(model.decode(codes).audio_values, values)
    assert torch.equal(twin.decode(codes).audio_values, values)
    with torch.no_grad():
        twin.generator.quantizer.layers[0].entries.copy_(torch.randn(16, 16))
    assert not torch.equal(twin.encode(**batch).audio_codes, codes)
    with torch.inference_mode():
        assert torch.equal(model.encode(**batch).audio_codes, codes)


def test_a_fresh_model_has_the_weights_that_its_layers_start_with():
    torch.manual_seed(1)
    expected = Generator(**SEANET)
    torch.manual_seed(1)
    numbers = {"num_quantizers": 3, "codebook_size": 16, "dimension": 16}
    numbers |= {"encoder_conf": SIZE, "decoder_conf": SIZE, "semantic_dimension": 8}
    made = SpeechTokenizerModel(SpeechTokenizerConfig(**numbers)).generator
    state = made.state_dict()
    assert all(torch.equal(x, state[key]) for key, x in expected.state_dict().items())


@pytest.fixture
def damaged(seanet, tmp_path):
    """Copies the directory with other tensors, or another configuration."""

    def make(tensors=None, **config):
        known = json.loads((seanet / "config.json").read_text()) | config
        (tmp_path / "config.json").write_text(json.dumps(known))
        state = safetensors.load_file(seanet / "model.safetensors")
        state = {k: v for k, v in (state | (tensors or {})).items() if v is not None}
        safetensors.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
        return tmp_path

    return make


BOTH = pytest.mark.parametrize(
    "load", [SpeechTokenizerModel.from_pretrained, AudioCoding.from_pretrained]
)


@BOTH
def test_wrong_tensors_are_refused(damaged, load):
    bias, table = "generator.projection.bias", "generator.quantizer.layers.1.entries"
    with pytest.raises(ValueError, match=f"1 tensors: missing {bias}"):
        load(damaged({bias: None}))
    with pytest.raises(ValueError, match="1 tensors: unexpected generator.extra"):
        load(damaged({"generator.extra": torch.ones(1)}))
    with pytest.raises(ValueError, match=rf"{table} is \(3, 16\), expected \(16, 16\)"):
        load(damaged({table: torch.ones(3, 16)}))


@BOTH
def test_a_truncated_file_is_refused(damaged, load):
    path = damaged() / "model.safetensors"
    data = path.read_bytes()
    for size in (len(data) - 100, 1000, 3, 0):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match="not readable|not a readable checkpoint"):
            load(path.parent)


@BOTH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "encodec"}, "model_type 'encodec'; expected 'speechtokenizer'"),
        ({"num_quantizers": 0}, "num_quantizers: 0; expected a positive integer"),
        ({"sampling_rate": "16k"}, "sampling_rate: '16k'; expected a positive integer"),
        ({"codebook_size": None}, "codebook_size: None; expected a positive integer"),
        ({"encoder": "conformer"}, "encoder: 'conformer' is unknown; choose from"),
        ({"decoder_conf": {"filters": 3}}, r"decoder_conf has unknown keys \['filters"),
    ],
)
def test_a_wrong_configuration_is_refused(damaged, load, change, message):
    with pytest.raises(ValueError, match=message):
        load(damaged(**change))


@BOTH
def test_a_directory_of_another_model_is_refused(load, tmp_path):
    small = EncodecConfig(num_filters=2, hidden_size=4, codebook_size=8)
    EncodecModel(small).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="model_type 'encodec'; expected"):
        load(tmp_path)


def test_bad_audio_and_masks_are_refused(seanet):
    model = SpeechTokenizerModel.from_pretrained(seanet)
    wav, mask = torch.zeros(2, 1, 700), torch.ones(2, 700)

    def refused(message, wav=wav, **options):
        with pytest.raises(ValueError, match=message):
            model.encode(wav, **options)

    refused(r"shape \(2, 1, 0\).* not empty", torch.zeros(2, 1, 0))
    refused(r"shape \(0, 1, 5\); expected \(B, 1, N\)", torch.zeros(0, 1, 5))
    refused(r"shape \(2, 2, 700\); expected", torch.zeros(2, 2, 700))
    refused(r"shape \(700,\); expected", torch.zeros(700))
    refused("NaN or infinite", torch.full((1, 9), float("nan")))
    refused(r"padding_mask has shape \(2, 699\)", padding_mask=mask[:, 1:])
    refused(r"padding_mask has shape \(1, 700\)", padding_mask=mask[:1])
    refused("other values than 0 and 1", padding_mask=mask * 2)
    left = mask.clone()
    left[1, :5] = 0
    refused("padding before a signal.*padding_side='right'", padding_mask=left)
    refused(r"signals \[1\] are empty", padding_mask=mask * torch.tensor([[1], [0]]))
    refused("num_quantizers is 4; expected 1 to 3", num_quantizers=4)
    refused("num_quantizers is 0; expected 1 to 3", num_quantizers=0)


def test_bad_codes_are_refused(seanet):
    model = SpeechTokenizerModel.from_pretrained(seanet)
    codes = torch.zeros(2, 3, 4, dtype=torch.long)

    def refused(message, codes=codes, **options):
        with pytest.raises(ValueError, match=message):
            model.decode(codes, **options)

    refused(r"\[16, 16\]; expected \[0, 15\]: do they belong", codes + 16)
    refused(r"\[-1, -1\]; expected \[0, 15\]", codes - 1)
    refused("expected integers", codes.float())
    refused("4 layers; expected at most 3", torch.zeros(2, 4, 4, dtype=torch.long))
    refused(r"shape \(2, 3, 0\).*not empty", codes[..., :0])
    refused(r"shape \(3, 4\); expected \(B, n_q, T\)", codes[0])
    mask = torch.ones(2, 4 * HOP)
    refused("are they of the same batch", padding_mask=mask[:, : 3 * HOP])
    refused(r"padding_mask has shape \(1, 1280\)", padding_mask=mask[:1])
    frames = torch.ones(2, 4)
    refused("give one of them", padding_mask=mask, audio_codes_mask=frames)
    refused(r"audio_codes_mask has shape \(2, 3\)", audio_codes_mask=frames[:, 1:])
    beyond = codes.clone()
    beyond[1, :, 2:] = -1  # what stands beyond a signal's end does not matter
    frames[1, 2:] = 0
    found = model.decode(beyond, audio_codes_mask=frames).audio_values
    alone = model.decode(codes[:1, :, :2]).audio_values
    torch.testing.assert_close(found[1:, :, : 2 * HOP], alone)


def test_without_transformers_the_room_says_what_to_install():
    code = (
        "import sys\nsys.modules['transformers'] = None\n"
        "from espnet_st.inference.audio_coding import AudioCoding\n"
        "try:\n    import espnet_st.huggingface\n"
        "except ImportError as error:\n"
        "    assert 'pip install transformers' in str(error), error\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_without_safetensors_a_directory_says_what_to_install(seanet, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ValueError, match="needs the package safetensors"):
        AudioCoding.from_pretrained(seanet)
