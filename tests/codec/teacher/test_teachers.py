"""Teachers: alignment with the codec's frames, layers, units, precision, refusals."""

import json

import numpy as np
import pytest
import torch
from tiny import HUBERT

from espnet_st.codec.distillation import Distillation
from espnet_st.codec.teacher.hugging_face import HuggingFaceBackbone
from espnet_st.codec.teacher.small.model import save_teacher
from espnet_st.codec.teacher.teacher import (
    Teacher,
    align_to_codec,
    build_teacher,
    normalize_waveform,
    receptive_field,
)
from espnet_st.codec.teacher.units import write_units

transformers = pytest.importorskip("transformers")

SHAPE = {"conv_stride": [5, 2, 2, 2, 2, 2, 2], "conv_kernel": [10, 3, 3, 3, 3, 2, 2]}
TINY = SHAPE | HUBERT
WAV = torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))


def tiny_model(**changes):
    torch.manual_seed(0)
    return transformers.HubertModel(transformers.HubertConfig(**{**TINY, **changes}))


def wrapped(model, layer="avg", normalize=True, **options):
    return Teacher(HuggingFaceBackbone(model, normalize), layer, **options)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher")
    save_teacher(tiny_model(), path)
    return path


def test_hubert_sees_400_samples():
    assert receptive_field(SHAPE["conv_kernel"], SHAPE["conv_stride"]) == 400


@pytest.mark.parametrize("n", [1, 319, 320, 321, 400, 16000, 16001, 48000, 33333])
def test_as_many_frames_as_the_codec(n):
    teacher = wrapped(tiny_model(), 0)
    assert teacher(torch.randn(1, n)).shape == (1, -(-n // 320), 12)


def test_other_kernels_are_aligned_too():
    strides = {"conv_stride": [10, 4, 2, 2, 2], "conv_kernel": [20, 8, 4, 4, 4]}
    teacher = wrapped(tiny_model(conv_dim=[8] * 5, **strides), 0)
    assert teacher.receptive_field == 930
    assert teacher(torch.randn(1, 3210)).shape == (1, 11, 12)


def test_centres_of_frames_agree():
    # A model frame is replaced by the mean place of what it sees: frame t of the
    # aligned signal is centred on the middle of the codec's frame t.
    places = torch.arange(3200.0).unsqueeze(0)
    windows = align_to_codec(places, 400, 320).unfold(1, 400, 320)
    assert windows.shape == (1, 10, 400)
    middle = windows[0, 1:-1].mean(dim=1)
    assert torch.equal(middle, 320 * torch.arange(1.0, 9.0) + 159.5)


def test_a_click_is_found_in_the_codecs_frame_and_a_shift_moves_it():
    # Without the group norm, which spreads a click over the signal.
    model = tiny_model(feat_extract_norm="layer")
    silence = torch.zeros(1, 6400)
    base = model.feature_extractor(align_to_codec(silence, 400, 320))
    for frame in (0, 7, 19):
        clicked = silence.clone()
        clicked[0, 320 * frame + 160] = 1.0
        seen = model.feature_extractor(align_to_codec(clicked, 400, 320))
        changed = (seen - base).abs().sum(dim=1)[0]
        assert changed.argmax() == frame
        assert changed.nonzero()[:, 0].tolist() == [frame]


def test_average_is_the_mean_of_all_states_and_an_index_is_one():
    model = tiny_model()
    states = wrapped(model).hidden_states(WAV)
    assert len(states) == 3
    assert torch.allclose(wrapped(model)(WAV), sum(states) / 3, atol=1e-6)
    for i in range(3):
        assert torch.equal(wrapped(model, i)(WAV), states[i])


def test_frozen_without_gradient_always_evaluating():
    teacher = wrapped(tiny_model()).train()
    assert not teacher.training and not teacher.backbone.model.training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not teacher(WAV.clone().requires_grad_()).requires_grad
    assert torch.equal(teacher(WAV), teacher(WAV))


def test_normalization_is_per_utterance_and_as_the_extractors(directory):
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    expected = extractor(WAV[0].numpy(), sampling_rate=16000)["input_values"][0]
    assert np.allclose(normalize_waveform(WAV)[0].numpy(), expected, atol=1e-5)
    teacher = build_teacher(str(directory))
    assert teacher.backbone.epsilon == 1e-7
    louder = torch.stack([WAV[0], 0.1 * WAV[1] + 0.2])
    assert torch.allclose(teacher(WAV), teacher(louder), atol=1e-3)


def test_do_normalize_false_is_respected(directory, tmp_path):
    save_teacher(tiny_model(), tmp_path)
    path = tmp_path / "preprocessor_config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "do_normalize": False}))
    assert build_teacher(str(tmp_path)).backbone.epsilon is None


@pytest.mark.parametrize("kind", ["Hubert", "WavLM"])
def test_saved_and_loaded_alike(kind, tmp_path):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**TINY)
    model = getattr(transformers, f"{kind}Model")(config)
    save_teacher(model, tmp_path)
    loaded = build_teacher(str(tmp_path), layer="1")
    assert torch.allclose(loaded(WAV), wrapped(model, 1)(WAV), atol=1e-6)


def test_a_checkpoint_of_older_transformers_loads(tmp_path):
    # facebook/hubert-base-ls960 is one: pytorch_model.bin, weight norm by g and v.
    from safetensors.torch import load_file

    model = tiny_model()
    save_teacher(model, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    conv = "encoder.pos_conv_embed.conv."
    for i, old in enumerate(("weight_g", "weight_v")):
        weights[conv + old] = weights.pop(f"{conv}parametrizations.weight.original{i}")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    assert torch.equal(build_teacher(str(tmp_path))(WAV), wrapped(model)(WAV))


def test_units_are_the_nearest_centroids(directory, tmp_path):
    features = build_teacher(str(directory), 1)(WAV)
    centroids = features[0, [3, 20, 40]]
    write_units(tmp_path / "units.npy", centroids, 1)
    units = build_teacher(str(directory), "units", str(tmp_path / "units.npy"))
    assert units.output_size == 3
    found = units(WAV)
    assert found.dtype == torch.int64 and found.shape == (2, 50)
    assert torch.equal(found, torch.cdist(features, centroids[None]).argmin(dim=-1))
    assert found[0, [3, 20, 40]].tolist() == [0, 1, 2]


def test_a_checkpoint_with_missing_or_unknown_parts_is_refused(directory, tmp_path):
    from safetensors.torch import load_file, save_file

    for change, message in (("drop", "missing_keys"), ("add", "unexpected_keys")):
        save_teacher(tiny_model(), tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        if change == "drop":
            del weights["encoder.layers.1.final_layer_norm.weight"]
        else:
            weights["encoder.layers.7.final_layer_norm.weight"] = torch.ones(12)
        save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ValueError, match=message):
            build_teacher(str(tmp_path))


def test_other_layers_and_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="sees 400 samples and moves on by 640"):
        wrapped(tiny_model(conv_stride=[5, 2, 2, 2, 2, 2, 4]))
    with pytest.raises(ValueError, match="layer 3; expected 'avg'.* to 2"):
        wrapped(tiny_model(), 3)
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=4, num_hidden_layers=1, num_attention_heads=1
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'bert' model; expected one of hubert"):
        build_teacher(str(tmp_path))


def test_what_is_not_a_waveform_is_refused():
    teacher = wrapped(tiny_model())
    for wav in (torch.randn(16000), torch.zeros(1, 0), torch.zeros(1, 9).long()):
        with pytest.raises(ValueError, match=r"expected float waveforms \(B, N\)"):
            teacher(wav)


def test_units_files_that_do_not_fit_are_refused(directory, tmp_path):
    with pytest.raises(ValueError, match="give a units_file"):
        build_teacher(str(directory), "units")
    with pytest.raises(ValueError, match="is missing: make the units"):
        build_teacher(str(directory), "units", str(tmp_path / "no.npy"))
    write_units(tmp_path / "units.npy", torch.zeros(4, 5), 1)
    with pytest.raises(ValueError, match=r"\(4, 5\).*12 dimensions"):
        build_teacher(str(directory), "units", str(tmp_path / "units.npy"))


def test_a_teacher_that_is_nowhere_says_what_to_do(monkeypatch):
    def offline(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", offline)
    with pytest.raises(ValueError, match="no/where.*hf download.*teacher train"):
        build_teacher("no/where")


def test_an_item_of_a_batch_gets_the_targets_that_it_gets_alone():
    teacher = wrapped(tiny_model())
    lengths = torch.tensor([16000, 5000])
    found = teacher(WAV, lengths)
    assert found.shape == (2, 50, 12)
    assert torch.allclose(found[0], teacher(WAV[:1])[0], atol=1e-6)
    assert torch.allclose(found[1, :16], teacher(WAV[1:, :5000])[0], atol=1e-6)
    assert (found[1, 16:] == 0).all()
    assert torch.equal(teacher(WAV, torch.tensor([16000, 16000])), teacher(WAV))


@pytest.mark.parametrize("n", [1, 479, 480, 481, 24000, 33333])
def test_a_codec_of_24_khz_gets_its_own_frames(n):
    teacher = wrapped(tiny_model(), 0, sample_rate=24000)
    assert teacher(torch.randn(1, n)).shape == (1, -(-n // 480), 12)


@pytest.mark.parametrize(
    ("rate", "strides", "codec_rate", "hop"),
    [
        (16000, [10, 2, 2, 2, 2, 2, 2], 16000, 640),  # 25 frames per second
        (24000, [5, 3, 2, 2, 2, 2, 2], 24000, 480),  # no resampling
        (24000, [5, 3, 2, 2, 2, 2, 2], 16000, 320),
        (8000, [5, 2, 2, 2, 2, 2, 1], 22050, 441),
    ],
)
def test_rate_and_frames_are_the_teachers_own(rate, strides, codec_rate, hop, tmp_path):
    save_teacher(tiny_model(conv_stride=strides), tmp_path, rate)
    teacher = build_teacher(str(tmp_path), 0, sample_rate=codec_rate)
    assert teacher.frame_rate == codec_rate / hop
    assert build_teacher(str(tmp_path)).sample_rate == rate
    for n in (1, hop, hop + 1, 7 * hop - 1, 12345):
        assert teacher(torch.randn(1, n)).shape == (1, -(-n // hop), 12)
    distillation = Distillation(codec_rate, hop, {"name": str(tmp_path)})
    first = torch.randn(1, 4, 5, requires_grad=True)
    loss, _ = distillation(torch.nn.Linear(4, 12), first, torch.randn(1, 5 * hop))
    loss.backward()
    assert first.grad.abs().sum() > 0
    wrong = Distillation(codec_rate, hop + 1, {"name": str(tmp_path)})
    with pytest.raises(ValueError, match="frames per second, the teacher"):
        wrong(torch.nn.Linear(4, 12), first, torch.randn(1, 5 * hop))


def test_a_codec_of_24_khz_can_be_taught(directory):
    distillation = Distillation(24000, 480, {"name": str(directory)}, "dimension")
    first = torch.randn(2, 4, 50, requires_grad=True)
    loss, _ = distillation(torch.nn.Linear(4, 12), first, torch.randn(2, 24000))
    loss.backward()
    assert first.grad.abs().sum() > 0
    assert distillation.teacher.sample_rate == 24000


def test_24_khz_gives_the_features_of_16_khz_frame_by_frame():
    # Half a second of each of two tones: the features change where the sound does.
    def sound(rate):
        time = torch.arange(rate) / rate
        return torch.where(time < 0.5, (1256 * time).sin(), (8796 * time).sin())[None]

    model = tiny_model(feat_extract_norm="layer")
    low = wrapped(model, 0)(sound(16000))
    high = wrapped(model, 0, sample_rate=24000)(sound(24000))
    near = torch.nn.functional.cosine_similarity(low, high, dim=-1)
    # Only where the tone changes does it matter how the steep edge was resampled.
    assert near[:, :23].min() > 0.99 and near[:, 27:].min() > 0.99
    moved = torch.nn.functional.cosine_similarity(low[:, 1:], high[:, :-1], dim=-1)
    assert moved[0, 24] < near[0].min()


def test_a_teachers_precision_is_its_own(directory):
    full = build_teacher(str(directory))
    half = build_teacher(str(directory), dtype="bfloat16")
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    features = half(WAV)
    assert features.dtype == torch.float32
    assert not torch.equal(features, full(WAV))
    assert torch.allclose(features, full(WAV), atol=0.1)
    # Training in bfloat16 does not lower a float32 teacher.
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(full(WAV), build_teacher(str(directory))(WAV))
        inside = full(WAV)
    assert torch.equal(inside, full(WAV))
    with pytest.raises(ValueError, match="dtype 'int8'; expected one of float32"):
        build_teacher(str(directory), dtype="int8")
