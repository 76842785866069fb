"""What is learnt in training: figures, dropped texts, halves; memory; padding."""

import math

import pytest
import torch
from tiny_uslm import PAIRS, gradients

from espnet_st.uslm.code_embeddings import init_tables
from espnet_st.uslm.training.losses import (
    code_losses,
    layer_statistics,
    mean_loss,
    row_totals,
    statistics,
)

# ---- losses and accuracies ----------------------------------------------------------


def test_figures_are_those_of_their_definition():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 5, 30), torch.randint(30, (3, 5))
    targets[0, 2:] = -100
    targets[2] = -100
    losses = code_losses(logits, targets)
    loss, stats = 0.0, statistics("x", row_totals(logits, targets, losses))
    first, ten, asked = 0, 0, 0
    for row, time in [(0, 0), (0, 1), *((1, t) for t in range(5))]:
        right = targets[row, time]
        order = logits[row, time].argsort(descending=True).tolist()
        loss -= logits[row, time].log_softmax(-1)[right]
        first += order[0] == right
        ten += right in order[:10]
        asked += 1
    assert 0 < ten < asked
    torch.testing.assert_close(stats["loss_x"], loss / asked)
    torch.testing.assert_close(mean_loss(losses, targets), loss / asked)
    assert float(stats["acc_x"]) == pytest.approx(first / asked)
    assert float(stats["acc_x_top10"]) == pytest.approx(ten / asked)


def test_each_row_counts_for_its_layer():
    sums = torch.tensor([[4.0, 2, 6], [8.0, 6, 6], [1.0, 1, 3], [2.0, 2, 6]])
    stats = layer_statistics(sums, torch.tensor([3, 1, 3]), 5)
    assert float(stats["acc_nar_2"]) == 0.5 and float(stats["loss_nar_2"]) == 3.0
    assert float(stats["acc_nar_4"]) == pytest.approx(0.4)
    assert float(stats["acc_nar_4_top10"]) == pytest.approx(0.8)
    assert math.isnan(stats["acc_nar_3"]) and math.isnan(stats["acc_nar_5"])
    assert float(stats["loss_nar"]) == pytest.approx(20 / 12)


def test_training_and_evaluation_report_the_same_figures(model, tiny):
    batch = tiny.collate(tiny.utterances(PAIRS))
    names = ["ar", "nar", "nar_2", "nar_3", "nar_4"]
    expected = {"loss"} | {
        form.format(name)
        for name in names
        for form in ("loss_{}", "acc_{}", "acc_{}_top10")
    }
    loss, stats, _ = model(*batch)
    assert set(stats) == expected
    assert all(0 <= stats[key] <= 1 for key in stats if key.startswith("acc"))
    torch.testing.assert_close(stats["loss_ar"] + stats["loss_nar"], loss)
    assert set(model.train()(*batch)[1]) == expected


# ---- conditioning dropout -----------------------------------------------------------


def test_dropped_texts_are_blanks_of_the_same_length(model, tiny):
    batch = tiny.collate(tiny.utterances(PAIRS))
    blank = (torch.zeros_like(batch[0]), *batch[1:])
    model.train().requires_grad_(False)
    if model.aligner is not None:
        # Both see the same places; otherwise blanks would be aligned too.
        places = model.text_positions(
            batch[0], batch[1], batch[2][..., 0].long(), batch[3]
        )
        model.text_positions = lambda *_: places

    def loss(share, inputs, skip=0):
        torch.manual_seed(0)
        torch.rand(skip)  # where the other run drew which texts to drop
        model.text_dropout = share
        return model(*inputs)[0]

    dropped = loss(1.0, batch)
    assert torch.equal(dropped, loss(0.0, blank, skip=3))
    assert not torch.equal(dropped, loss(0.0, batch, skip=3))
    model.eval()
    assert torch.equal(loss(1.0, batch), loss(0.0, batch))


def test_a_share_of_texts_is_dropped(tiny, monkeypatch):
    model = tiny.build(text_dropout=0.3, train="ar").train()
    seen = []
    forward = model.ar.forward

    def look(text, *rest):
        seen.append((text == 0).all(dim=1))
        return forward(text, *rest)

    monkeypatch.setattr(model.ar, "forward", look)
    batch = list(tiny.collate(tiny.utterances([(6, 3)] * 100)))
    batch[0] = batch[0].clamp(min=1)
    for _ in range(10):
        model(*batch)
    assert 0.25 < torch.cat(seen).float().mean() < 0.35
    model.eval()(*batch)
    assert not seen[-1].any()


# ---- halves -------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["ar", "nar"])
def test_a_half_is_trained_as_beside_the_other(tiny, half):
    whole = tiny.build(dropout=0.0, nar_prompt="none").train()
    alone = tiny.build(train=half, nar_prompt="none").train()
    state = {k: v for k, v in whole.state_dict().items() if k.startswith(f"{half}.")}
    alone.load_state_dict(state)
    batch = tiny.collate(tiny.utterances(PAIRS))
    _, stats, expected = gradients(whole, *batch)
    loss, found_stats, found = gradients(alone, *batch)
    torch.testing.assert_close(loss, stats[f"loss_{half}"])
    assert set(found_stats) < set(stats)
    assert all(key == "loss" or f"_{half}" in key for key in found_stats)
    same = (found_stats[key].equal(stats[key]) for key in found_stats if key != "loss")
    assert all(same)
    assert all(
        found[name] is expected[name] is None
        or torch.equal(found[name], expected[name])
        for name in found
    )


@pytest.mark.parametrize("half, missing", [("ar", "NAR"), ("nar", "AR")])
def test_a_half_does_not_speak(tiny, half, missing):
    model = tiny.build(train=half)
    with pytest.raises(ValueError, match=f"has no {missing} model"):
        model.inference(torch.tensor([1, 2]))


# ---- tables from codebooks ----------------------------------------------------------


@pytest.mark.parametrize("width", [4, 16, 40])
def test_tables_start_where_codes_that_sound_alike_are_alike(tiny, width):
    books = torch.randn(4, 11, width, generator=torch.Generator().manual_seed(1)) + 3
    model = tiny.build(codebooks=books, codebooks_as="tables")
    plain = tiny.build()
    tables = [*model.nar.codes.embeddings, model.ar.audio_embedding]
    before = [*plain.nar.codes.embeddings, plain.ar.audio_embedding]
    for table, old, book in zip(tables, before, [*books, books[0]]):
        started, weight = table.weight[:11].detach(), old.weight.detach()
        assert float(started.std()) == pytest.approx(float(weight.std()), rel=0.2)
        if width == 16:
            centred = book - book.mean(dim=0)
            ratio = started / centred
            torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio))
        if width <= 16:
            wanted, found = torch.cdist(book, book), torch.cdist(started, started)
            ratio = found[0, 1] / wanted[0, 1]
            torch.testing.assert_close(found, ratio * wanted, rtol=1e-3, atol=1e-3)
    assert torch.equal(model.ar.audio_embedding.weight[11:],
                       plain.ar.audio_embedding.weight[11:])  # fmt: skip
    assert model.nar.codes.predict_layers[0].weight is tables[2].weight
    assert all(table.weight.requires_grad for table in tables)


def test_wider_codebooks_keep_most_of_their_distances():
    torch.manual_seed(0)
    books, table = torch.randn(1, 50, 256), torch.nn.Embedding(51, 64)
    init_tables([[table]], books)
    off = ~torch.eye(50, dtype=torch.bool)
    wanted = torch.cdist(books[0], books[0])[off]
    found = torch.cdist(table.weight[:50], table.weight[:50])[off]
    ratio = found / wanted
    assert float(ratio.std() / ratio.mean()) < 0.15


# ---- memory and padding -------------------------------------------------------------


@pytest.mark.parametrize("form", ["release", "mini"])
def test_checkpointing_changes_no_gradient(tiny, form):
    options = dict(dropout=0.1, code_noise=0.2)
    plain = tiny.build(form, **options).train()
    again = tiny.build(form, gradient_checkpointing=True, **options).train()
    batch = tiny.collate(tiny.utterances(PAIRS))
    loss, stats, expected = gradients(plain, *batch)
    calls = []
    again.ar.decoder.layers[0].linear1.register_forward_hook(lambda *_: calls.append(1))
    found_loss, found_stats, found = gradients(again, *batch)
    assert len(calls) == 2
    assert torch.equal(found_loss, loss)
    assert all(torch.equal(found_stats[k], stats[k]) for k in ("loss", "acc_ar"))
    for name, gradient in expected.items():
        assert (gradient is None) == (found[name] is None), name
        if gradient is not None:
            torch.testing.assert_close(found[name], gradient, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("prompt", ["none", "prefix", "speaker"])
@pytest.mark.parametrize("form", ["release", "mini"])
def test_padding_gives_no_gradient(tiny, form, prompt):
    """What stands in the padding changes no loss, figure or gradient by a bit."""
    seen = []
    for padding in (0, 3, 6):
        model = tiny.build(
            form, nar_prompt=prompt, nar_prompt_frames=7, dropout=0.1, code_noise=0.2
        ).train()
        inputs = tiny.collate(tiny.utterances(PAIRS), padding)
        _, _, *other = tiny.collate(
            tiny.utterances([(1, 8), (1, 3), (1, 10)], seed=5), padding
        )
        if prompt == "speaker":
            inputs = (*inputs, *other)
        runs = [gradients(model, *inputs, seed=seed) for seed in range(3)]
        state = {k: v.clone() for k, v in model.state_dict().items()}
        seen.append([runs, state])
    (expected, state), *others = seen
    for runs, other in others:
        for (loss, stats, grads), (loss2, stats2, grads2) in zip(expected, runs):
            assert torch.equal(loss, loss2)
            for key, value in stats.items():
                assert torch.equal(value, stats2[key]) or value.isnan(), key
            for name, gradient in grads.items():
                same = gradient is grads2[name] is None
                assert same or torch.equal(gradient, grads2[name]), name
        assert all(torch.equal(state[key], other[key]) for key in state)
