"""Teachers of torchaudio and ESPnet: the same weights, the same hidden states."""

import argparse
import pickle

import pytest
import torch
import torchaudio
import yaml
from tiny import HUBERT

from espnet_st.codec.teacher.hugging_face import HuggingFaceBackbone
from espnet_st.codec.teacher.teacher import Teacher, build_teacher
from espnet_st.codec.teacher.torchaudio_bundle import TorchaudioBackbone

CONVOLUTIONS = [[8, 10, 5], *[[8, 3, 2]] * 4, *[[8, 2, 2]] * 2]
WAV = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(1))


def torchaudio_model(**changes):
    sizes = {
        # Without bias the loudness would make no difference.
        "extractor_mode": "layer_norm",
        "extractor_conv_layer_config": CONVOLUTIONS,
        "extractor_conv_bias": True,
        "encoder_embed_dim": 12,
        "encoder_projection_dropout": 0.1,
        "encoder_pos_conv_kernel": 4,
        "encoder_pos_conv_groups": 2,
        "encoder_num_layers": 2,
        "encoder_num_heads": 2,
        "encoder_attention_dropout": 0.1,
        "encoder_ff_interm_features": 16,
        "encoder_ff_interm_dropout": 0.1,
        "encoder_dropout": 0.1,
        "encoder_layer_norm_first": False,
        "encoder_layer_drop": 0.1,
        "aux_num_out": None,
    }
    return sizes | changes


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", ["Hubert", "WavLM"])
def test_torchaudio_and_transformers_agree_on_all_states(kind, large):
    transformers = pytest.importorskip("transformers")
    from torchaudio.models.wav2vec2.utils import import_huggingface_model

    torch.manual_seed(0)
    sizes = HUBERT | {
        "do_stable_layer_norm": large,
        "feat_extract_norm": "layer" if large else "group",
        "conv_bias": large,
    }

    def build(name):
        config = getattr(transformers, f"{name}Config")(**sizes)
        return getattr(transformers, f"{name}Model")(config).eval()

    model = same = build(kind)
    if kind == "Hubert":  # torchaudio knows the same network under its first name
        same = build("Wav2Vec2")
        same.load_state_dict(model.state_dict())
    theirs = Teacher(TorchaudioBackbone(import_huggingface_model(same)))
    ours = Teacher(HuggingFaceBackbone(model, normalize=False))
    found, expected = theirs.hidden_states(WAV), ours.hidden_states(WAV)
    assert theirs.n_layers == 2 and len(found) == len(expected) == 3
    # The last state of a large model is normalized by transformers alone.
    for a, b in list(zip(found, expected))[: 2 if large else 3]:
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A small bundle whose weights lie where torchaudio keeps what it fetched."""

    def make(normalize):
        sizes = torchaudio_model()
        torch.manual_seed(0)
        model = torchaudio.models.wav2vec2_model(**sizes)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        (tmp_path / "hub/checkpoints").mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), tmp_path / "hub/checkpoints/tiny.pth")
        tiny = torchaudio.pipelines.Wav2Vec2Bundle(
            "tiny.pth", sizes, 16000, normalize, "Wav2Vec2"
        )
        monkeypatch.setattr(torchaudio.pipelines, "TINY", tiny, raising=False)
        return model.eval()

    return make


def test_a_torchaudio_bundle_is_a_teacher(bundle):
    model = bundle(normalize=False)
    teacher = build_teacher("torchaudio:TINY", layer=2)
    assert teacher(WAV).shape == (2, 25, 12)
    padded = torch.nn.functional.pad(WAV, (40, 40))
    assert torch.equal(teacher(WAV), model.extract_features(padded)[0][1])
    assert build_teacher("torchaudio:TINY", layer=0)(WAV).shape == (2, 25, 12)
    assert not torch.allclose(teacher(WAV), teacher(10 * WAV), atol=1e-1)


def test_a_bundle_that_normalizes_does_so_for_each_item(bundle):
    bundle(normalize=True)
    teacher = build_teacher("torchaudio:TINY")
    loud = torch.stack([WAV[0], 10 * WAV[1]])
    assert torch.allclose(teacher(loud), teacher(WAV), atol=1e-2)
    assert torch.allclose(teacher(WAV)[:1], teacher(WAV[:1]), atol=1e-5)
    # One item: what the bundle's own model makes of it, which then pads nothing.
    bundled = torchaudio.pipelines.TINY.get_model()
    wav = WAV[:1] + 0.3
    normal = torch.nn.functional.layer_norm(wav, wav.shape)
    padded = torch.nn.functional.pad(normal, (40, 40))
    expected = bundled.model.extract_features(padded)[0][-1]
    found = build_teacher("torchaudio:TINY", layer=2)(wav)
    assert torch.allclose(found, expected, atol=1e-5)


def test_an_unknown_bundle_and_missing_weights_say_what_to_do(bundle, monkeypatch):
    with pytest.raises(ValueError, match="no bundle 'HUBERT'.*HUBERT_BASE"):
        build_teacher("torchaudio:HUBERT")

    def offline(*_, **__):
        raise OSError("no route")

    bundle(normalize=False)
    monkeypatch.setattr(torchaudio.pipelines.TINY, "_path", "absent.pth")
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(ValueError, match="no route.*hub/checkpoints"):
        build_teacher("torchaudio:TINY")


@pytest.fixture(scope="module")
def hubert_task(tmp_path_factory):
    """An experiment of `espnet2.bin.hubert_train` with torchaudio's model."""
    from espnet2.tasks.hubert import HubertTask

    sizes = torchaudio_model()
    del sizes["aux_num_out"]
    conf = {
        "token_list": ["<unk>", "a", "b"],
        "input_size": 1,
        "frontend": None,
        "frontend_conf": {},
        "specaug": None,
        "normalize": None,
        "preencoder": None,
        "encoder": "torchaudio_hubert",
        "encoder_conf": sizes | {"final_dim": 4},
        "num_classes": 3,
        "model": "torchaudio",
        "model_conf": {},
        "init": None,
    }
    return experiment(HubertTask, conf, tmp_path_factory.mktemp("hubert"))


@pytest.fixture(scope="module", params=["transformer", "e_branchformer"])
def ssl_task(tmp_path_factory, request):
    """An experiment of `espnet2.bin.ssl_train`."""
    from espnet2.tasks.ssl import SSLTask

    encoder = {"output_size": 16, "attention_heads": 2, "linear_units": 16}
    if request.param == "transformer":
        encoder |= {
            "num_blocks": 2,
            "input_layer": "wav2vec",
            "pos_enc_layer_type": "conv",
        }
    else:
        encoder |= {"num_blocks": 2, "input_layer": None, "cgmlp_linear_units": 16}
    conf = {
        "token_list": ["<unk>", "a", "b"],
        "input_size": None,
        "frontend": "wav2vec_cnn",
        "frontend_conf": {
            "norm_mode": "layer_norm",
            "conv_mode": "standard",
            "bias": False,
            "shapes": CONVOLUTIONS,
            "normalize_audio": True,
        },
        "specaug": None,
        "normalize": "utterance_mvn",
        "normalize_conf": {},
        "preencoder": "linear",
        "preencoder_conf": {"output_size": 16},
        "encoder": request.param,
        "encoder_conf": encoder,
        "loss": [{"name": "hubert", "conf": {"num_classes": 3, "final_dim": 4}}],
        "util": [{"name": "mask", "conf": {}}],
        "model": "espnet",
        "model_conf": {},
        "init": None,
    }
    return experiment(SSLTask, conf, tmp_path_factory.mktemp("ssl"))


def experiment(task, conf, directory):
    """The model, and the directory as ESPnet leaves it."""
    torch.manual_seed(0)
    model = task.build_model(argparse.Namespace(**conf))
    (directory / "config.yaml").write_text(yaml.safe_dump(conf))
    torch.save(model.state_dict(), directory / "valid.loss.ave.pth")
    return model.eval(), directory


def test_a_hubert_of_espnet_is_a_teacher(hubert_task):
    model, directory = hubert_task
    teacher = build_teacher(str(directory), layer=1)
    inner = model.encoder.hubert_pretrain_model.wav2vec2
    padded = torch.nn.functional.pad(WAV, (40, 40))
    assert torch.equal(teacher(WAV), inner.extract_features(padded)[0][0])


def test_an_ssl_model_of_espnet_is_a_teacher(ssl_task):
    model, directory = ssl_task
    teacher = build_teacher(str(directory / "valid.loss.ave.pth"))
    states = teacher.hidden_states(WAV)
    assert [state.shape for state in states] == [(2, 25, 16)] * 3
    assert not any(torch.equal(a, b) for a, b in zip(states, states[1:]))
    # One item, which the model would normalize itself.
    wav = WAV[:1] + 0.2
    normal = torch.nn.functional.layer_norm(wav, wav.shape)
    padded = torch.nn.functional.pad(normal, (40, 40))
    model.frontend.normalize_audio = False
    final, layers, _ = model.inference_encode(padded, torch.tensor([padded.shape[1]]))
    found = teacher.hidden_states(wav)
    torch.testing.assert_close(found[1], layers[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[2], final, rtol=1e-4, atol=1e-5)
    assert not [name for name in teacher.state_dict() if "losses" in name]


def test_checkpoints_of_espnet_are_loaded_strictly(hubert_task, tmp_path):
    model, directory = hubert_task
    config = (directory / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(ValueError, match="these checkpoints: none; name one"):
        build_teacher(str(tmp_path))
    state = model.state_dict()
    state.pop("encoder.global_step")
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="(?s)does not fit.*encoder.global_step"):
        build_teacher(str(tmp_path))
    (tmp_path / "a.pth").write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match="a.pth does not fit"):
        build_teacher(str(tmp_path / "a.pth"))
    (tmp_path / "b.pth").touch()
    with pytest.raises(ValueError, match="a.pth, b.pth; name one"):
        build_teacher(str(tmp_path))
    (tmp_path / "config.yaml").write_text("encoder: conformer\n")
    with pytest.raises(ValueError, match="encoder 'conformer'; expected an experiment"):
        build_teacher(str(tmp_path / "a.pth"))
    with pytest.raises(ValueError, match="is this an ESPnet experiment"):
        build_teacher(str(tmp_path / "absent.pth"))
