"""Training: padding and time do not leak, losses are what they say."""

import pytest
import torch
import torch.nn.functional as F
import yaml

from espnet_st.uslm.training.batch import nar_loss
from espnet_st.uslm.training.nar_plan import prefix_mask
from espnet_st.uslm.uslm import USLM


def test_logits_do_not_see_padding(model, tiny):
    pairs = tiny.utterances([(3, 8), (6, 13), (5, 4)])
    for padding in (0, 5):
        ar = tiny.ar_logits(model, pairs, padding)
        nar = tiny.nar_logits(model, pairs, 2, padding)
        for i, pair in enumerate(pairs):
            frames = pair[1].shape[1]
            torch.testing.assert_close(
                ar[i, : frames + 1],
                tiny.ar_logits(model, [pair])[0],
                atol=1e-5,
                rtol=1e-5,
            )
            torch.testing.assert_close(
                nar[i, :frames],
                tiny.nar_logits(model, [pair], 2)[0],
                atol=1e-5,
                rtol=1e-5,
            )


def test_loss_of_a_batch_is_the_frame_weighted_mean(model, tiny):
    pairs = tiny.utterances([(3, 9), (6, 12)])
    _, stats, weight = model(*tiny.collate(pairs))
    single = [model(*tiny.collate([pair]))[1]["loss_ar"] for pair in pairs]
    expected = (single[0] * 10 + single[1] * 13) / 23
    torch.testing.assert_close(stats["loss_ar"], expected)
    assert weight == 2


def test_a_code_is_predicted_from_earlier_ones_only(model, tiny):
    ((text, codes),) = tiny.utterances([(4, 10)])
    before = tiny.ar_logits(model, [(text, codes)])
    for t in range(10):
        other = codes.clone()
        other[0, t] = (other[0, t] + 1) % 11
        changed = (tiny.ar_logits(model, [(text, other)]) - before).abs().amax(-1)[
            0
        ] > 1e-7
        assert not changed[: t + 1].any() and changed[t + 1 :].any()


def test_all_text_counts_for_the_first_code(model, tiny):
    ((text, codes),) = tiny.utterances([(4, 6)])
    before = tiny.ar_logits(model, [(text, codes)])[0, 0]
    for s in range(4):
        other = text.clone()
        other[s] = (other[s] + 1) % 7
        assert not torch.allclose(tiny.ar_logits(model, [(other, codes)])[0, 0], before)


def test_ar_targets_end_once(tiny):
    codes = torch.tensor([[4, 5, 6], [7, 0, 0]])
    targets = tiny.build().ar.targets(codes, torch.tensor([3, 1]))
    assert targets.tolist() == [[4, 5, 6, 11], [7, 11, -100, -100]]


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_nar_sees_layers_below_the_stage_and_the_whole_prompt(model, stage, tiny):
    ((text, codes),) = tiny.utterances([(4, 12)])
    prompt = 4
    before = tiny.nar_logits(model, [(text, codes)], stage)
    for layer in range(4):
        for frame, inside in ((1, True), (prompt + 3, False)):
            other = codes.clone()
            other[layer, frame] = (other[layer, frame] + 1) % 11
            same = torch.equal(tiny.nar_logits(model, [(text, other)], stage), before)
            assert same == (layer >= stage and not inside)


def test_nar_loss_leaves_the_prompt_out(model, tiny):
    pairs = tiny.utterances([(4, 12)])
    logits = tiny.nar_logits(model, pairs, 3)[0, 4:]
    expected = F.cross_entropy(logits, pairs[0][1][3, 4:])
    batch = tiny.batch(model, pairs)
    mask = prefix_mask(batch.lengths, 12, 150, training=False)
    loss, _ = nar_loss(model.nar, batch, mask, [torch.tensor([3])])
    torch.testing.assert_close(loss, expected)


def test_training_draws_every_layer(tiny):
    model = tiny.build()
    batch = tiny.collate(tiny.utterances([(3, 9), (6, 12)]))
    model.train()
    torch.manual_seed(0)
    untouched = {1, 2, 3}
    for _ in range(20):
        model.zero_grad()
        model(*batch)[0].backward()
        untouched -= {
            j + 1
            for j, stage in enumerate(model.nar.stage_embeddings)
            if stage.weight.grad is not None and stage.weight.grad.abs().sum() > 0
        }
    assert not untouched


@pytest.mark.parametrize("form", ["release", "mini"])
def test_a_few_steps_lower_the_loss(form, tiny):
    model = tiny.build(form).train()
    batch = tiny.collate(tiny.utterances([(3, 9), (6, 12)]))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    first = model.eval()(*batch)[0].item()
    model.train()
    for _ in range(40):
        optimizer.zero_grad()
        model(*batch)[0].backward()
        optimizer.step()
    assert model.eval()(*batch)[0].item() < first / 2


def test_noise_changes_inputs_in_training_only(tiny):
    model = tiny.build(code_noise=0.5)
    pairs = tiny.utterances([(4, 10)])
    assert torch.equal(tiny.ar_logits(model, pairs), tiny.ar_logits(model, pairs))
    model.train()
    assert not torch.equal(tiny.ar_logits(model, pairs), tiny.ar_logits(model, pairs))


def test_bfloat16_stays_near_float32(tiny, has_bfloat16):
    batch = tiny.collate(tiny.utterances([(3, 9), (6, 12)]))
    exact, rough = tiny.build()(*batch)[0], tiny.build(bfloat16="on")(*batch)[0]
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.05, rtol=0)


@pytest.mark.parametrize(("written", "word"), [("on", "on"), ("off", "off")])
def test_a_switch_as_yaml_reads_it_is_a_switch(tiny, written, word):
    read = yaml.safe_load(f"bfloat16: {written}")["bfloat16"]
    assert isinstance(read, bool)
    assert (
        tiny.build(bfloat16=read).bfloat16 == word == tiny.build(bfloat16=word).bfloat16
    )


def test_prediction_layers_share_the_embeddings_of_the_release(tiny):
    nar = tiny.build().nar
    for j in range(2):
        assert nar.codes.predict_layers[j].weight is nar.codes.embeddings[j + 2].weight
    assert nar.codes.predict_layers[2].weight is not nar.codes.embeddings[3].weight


def test_default_size_is_the_release():
    with torch.device("meta"):
        model = USLM(idim=512, odim=8)
    assert sum(p.numel() for p in model.parameters()) == 367_386_628


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text, feats: (text, feats + 11), r"expected \[0, 10\]"),
        (lambda text, feats: (text, feats[..., :3]), "3 layers; expected 4"),
        (lambda text, feats: (text + 7, feats), "expected 0 to 6"),
    ],
)
def test_wrong_inputs_are_refused(change, message, tiny):
    text, text_lengths, feats, lengths = tiny.collate(tiny.utterances([(3, 9)]))
    text, feats = change(text, feats)
    with pytest.raises(ValueError, match=message):
        tiny.build()(text, text_lengths, feats, lengths)


def test_empty_text_is_refused(tiny):
    text, _, feats, lengths = tiny.collate(tiny.utterances([(3, 9)]))
    with pytest.raises(ValueError, match="a text is empty"):
        tiny.build()(text, torch.tensor([0]), feats, lengths)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(bfloat16="yes"), "bfloat16 is 'yes'"),
        (dict(text_prior=True), "needs align"),
        (dict(d_model=15), "d_model 15"),
        (dict(train="all"), "train is 'all': give one of both, ar, nar"),
        (dict(nar_stages="all"), "nar_stages is 'all'"),
        (dict(nar_prompt="any"), "nar_prompt is 'any'"),
        (dict(nar_prompt_frames=0), "give 1 or more, or nar_prompt: none"),
        (dict(text_dropout=1.5), "text_dropout is 1.5"),
        (dict(codebooks_as="start"), "codebooks_as is 'start'"),
    ],
)
def test_wrong_settings_are_refused(options, message, tiny):
    with pytest.raises(ValueError, match=message):
        tiny.build(**options)
