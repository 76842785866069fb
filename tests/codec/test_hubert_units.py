"""Units as a codec: which units, what learns, what is in a checkpoint, refusals."""

import pytest
import torch
from tiny_units import DECODERS, K, LAYER, UNITS, make_units, save_teacher_with_units

from espnet_st.codec.hifigan import HiFiGANDecoder
from espnet_st.codec.layers import fold_weight_norm
from espnet_st.codec.speechtokenizer import SpeechTokenizer
from espnet_st.codec.teacher.teacher import build_teacher
from espnet_st.codec.teacher.units import write_units

pytest.importorskip("transformers")
WAV = 0.1 * torch.randn(2, 6400, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher_with_units(tmp_path_factory.mktemp("recipe"))


@pytest.fixture
def model(teacher):
    return make_units(teacher).train()


def test_a_unit_is_the_nearest_centroid_in_double_precision(model, teacher):
    model(WAV)
    features = build_teacher(teacher["name"], LAYER)(WAV).double()  # (B, T, D)
    distances = torch.cdist(features, model.generator.centroids.double())
    codes = model.encode(WAV[:, None])
    assert codes.dtype == torch.int64
    assert torch.equal(codes, distances.argmin(-1)[None])
    assert len(codes.unique()) > 2


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 5000])
def test_as_many_frames_as_any_codec_of_that_hop(model, samples):
    model(WAV)
    codes = model.encode(WAV[:1, None, :samples])
    assert codes.shape == (1, 1, -(-samples // 320))
    assert model.decode(codes).shape == (1, 1, codes.shape[-1] * 320)


def test_padding_changes_no_unit(model):
    model(WAV)
    lengths = torch.tensor([6400, 3333])
    together = model.encode(WAV[:, None], lengths)
    for row, samples in enumerate(lengths):
        alone = model.encode(WAV[row : row + 1, None, :samples])[:, 0]
        assert torch.equal(together[:, row, : alone.shape[-1]], alone)
    assert not together[:, 1, -(-3333 // 320) :].any()


@pytest.mark.parametrize("decoder", DECODERS)
def test_each_turn_reaches_only_its_own_parameters(teacher, decoder):
    model = make_units(teacher, decoder).train()
    names = {name.split(".")[0] for name, _ in model.generator.named_parameters()}
    assert names == {"embedding", "decoder"}
    model(WAV, forward_generator=False)["loss"].sum().backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())
    model.zero_grad()
    model(WAV)["loss"].sum().backward()
    assert all(p.grad is not None for p in model.generator.parameters())
    assert all(p.grad is None for p in model.discriminator.parameters())


def test_loss_is_the_weighted_sum_of_the_terms(teacher):
    weights = {"lambda_mel": 2.0, "lambda_adv": 3.0, "lambda_feat_match": 5.0}
    model = make_units(teacher, **weights).eval()
    with torch.no_grad():
        stats = model(WAV)["stats"]
        fake = model.decode(model.encode(WAV[:, None]))
        real, made = model.discriminator(WAV[:, None]), model.discriminator(fake)
        mel = model.mel_loss(WAV[:, None], fake)
    torch.testing.assert_close(stats["mel_loss"], 2 * mel[None])
    adversarial = 3 * model.losses.adversarial(made)
    torch.testing.assert_close(stats["adv_loss"], adversarial[None])
    matching = 5 * model.losses.feature_matching(real, made)
    torch.testing.assert_close(stats["feat_match_loss"], matching[None])
    total = stats["mel_loss"] + stats["adv_loss"] + stats["feat_match_loss"]
    torch.testing.assert_close(stats["generator_loss"], total)
    units = model.encode(WAV[:, None]).flatten()
    share = torch.stack([(units == k).double().mean() for k in range(K)])
    perplexity = torch.special.entr(share).sum().exp().float()
    torch.testing.assert_close(stats["perplexity_units"], perplexity[None])


def test_learning_lowers_the_mel_loss(teacher):
    model = make_units(teacher, adversarial_start=10**6).train()
    optimizer = torch.optim.Adam(model.generator.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        out = model(WAV)
        model._cache = None
        optimizer.zero_grad()
        out["loss"].sum().backward()
        optimizer.step()
        losses.append(float(out["stats"]["mel_loss"]))
    assert losses[-1] < 0.8 * losses[0]


def test_the_checkpoint_has_units_and_no_teacher(model, teacher):
    keys = set(model.state_dict())
    model(WAV)
    state = model.state_dict()
    assert set(state) == keys and not any("teacher" in key for key in keys)
    assert len(list(model.generator.parameters())) == len(
        [k for k, _ in model.named_parameters() if k.startswith("generator.")]
    )
    again = make_units(teacher | {"units_file": None}).eval()
    again.load_state_dict(state)
    assert torch.equal(again.encode(WAV[:, None]), model.encode(WAV[:, None]))


def test_units_are_read_once_and_held_to_their_file(model, teacher, tmp_path):
    model(WAV)
    state = model.state_dict()
    other = tmp_path / "units.npy"
    write_units(other, model.generator.centroids.flip(0), LAYER)
    resumed = make_units(teacher | {"units_file": str(other)}).train()
    resumed.load_state_dict(state)
    with pytest.raises(ValueError, match="has other units than those that this codec"):
        resumed(WAV)
    same = make_units(teacher).train()
    same.load_state_dict(state)
    same(WAV)


def test_the_average_of_checkpoints_has_the_same_layer(model):
    model(WAV)
    layer = model.state_dict()["generator.encoder.layer"]
    assert layer.is_floating_point() and int(layer) == LAYER  # integers are added up


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"semantic_dimension": 5}, "7 units of 12 dimensions: set semantic_dimension"),
        ({"dimension": 8}, "and dimension, which is 8, to that"),
        ({"decoder_conf": {"hop_length": 160, "n_fft": 640}}, "frames per second"),
    ],
)
def test_units_that_do_not_fit_are_refused(teacher, changes, message):
    with pytest.raises(ValueError, match=message):
        make_units(teacher, **changes)(WAV)


def test_training_without_units_is_refused(teacher):
    with pytest.raises(ValueError, match="training needs teacher_conf.units_file"):
        make_units(teacher | {"units_file": None})(WAV)
    with pytest.raises(ValueError, match="expected 'units'"):
        make_units(teacher | {"layer": 2})
    with pytest.raises(ValueError, match="which layer of the teacher"):
        make_units(teacher).encode(WAV[:, None])
    with pytest.raises(ValueError, match="precomputed features"):
        make_units(teacher | {"features": "exp/features"})


def test_units_have_one_layer(model):
    codes = torch.zeros(2, 1, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="2 layers from layer 0 on; units have"):
        model.decode(codes)
    with pytest.raises(ValueError, match="units have layer 0 alone"):
        model.generator.decode(codes[:1], start=1)


def test_hifigan_is_espnets_and_folds_to_the_same_sound():
    from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator

    torch.manual_seed(0)
    decoder = HiFiGANDecoder(6, **DECODERS["hifigan"]).eval()
    assert type(decoder.hifigan) is HiFiGANGenerator and decoder.hop_length == 320
    x = torch.randn(2, 6, 9)
    before = decoder(x)
    assert before.shape == (2, 1, 9 * 320)
    fold_weight_norm(decoder)
    torch.testing.assert_close(decoder(x), before, rtol=1e-4, atol=1e-6)
    assert not any("weight_g" in key for key in decoder.state_dict())


def test_hifigan_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="channels is 24; expected a multiple of 16"):
        HiFiGANDecoder(6, channels=24, upsample_scales=[8, 5, 4, 2])
    with pytest.raises(ValueError, match="2 resblock_kernel_sizes and 3"):
        HiFiGANDecoder(6, resblock_kernel_sizes=[3, 7])


def test_any_codec_may_have_hifigan_as_its_decoder():
    from tiny import CODEC

    conf = CODEC | {"decoder": "hifigan", "decoder_conf": DECODERS["hifigan"]}
    losses = {key: UNITS[key] for key in ("discriminator_conf", "mel_loss_conf")}
    torch.manual_seed(0)
    model = SpeechTokenizer(**losses, **conf, lambda_distill=0.0).train()
    assert model(WAV)["loss"].requires_grad
