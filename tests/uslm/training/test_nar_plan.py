"""What the NAR model is asked in training: which layers, after which prompts."""

import pytest
import torch
import torch.nn.functional as F
from tiny_uslm import PAIRS, gradients

from espnet_st.uslm.training.nar_plan import draw_stages, prepend_prompts
from espnet_st.uslm.uslm import USLM

# ---- layers -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["turns", "random", "release"])
def test_layers_are_chosen_as_asked(tiny, how):
    model = tiny.build()
    batch = tiny.batch(model, tiny.utterances([(2, 4)] * 5))
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        passes = [one.tolist() for one in draw_stages(how, batch)]
        if how == "turns":
            ((*stages,),) = passes
            assert [(b - a) % 3 for a, b in zip(stages, stages[1:])] == [1] * 4
        elif how == "random":
            ((*stages,),) = passes
            assert len(set(stages)) == 1
        else:
            second, stages = passes
            assert second == [1] * 5 and len(set(stages)) == 1
        seen.update(stages)
    assert seen == ({2, 3} if how == "release" else {1, 2, 3})


def test_two_passes_count_alike(tiny):
    model = tiny.build(nar_stages="release").train()
    _, stats, _ = gradients(model, *tiny.collate(tiny.utterances(PAIRS)))
    other = [v for k, v in stats.items() if k in ("loss_nar_3", "loss_nar_4")]
    other = [value for value in other if not value.isnan()]
    assert len(other) == 1
    both = (stats["loss_nar_2"] + other[0]) / 2
    torch.testing.assert_close(stats["loss_nar"], both)


def test_release_needs_a_third_layer():
    with pytest.raises(ValueError, match="release needs 3 codebooks, not 2"):
        USLM(idim=7, odim=2, d_model=8, n_heads=2, nar_stages="release")


# ---- prompts ------------------------------------------------------------------------


def test_a_window_of_the_prompt_comes_before_the_utterance(tiny):
    model = tiny.build()
    batch = tiny.batch(model, tiny.utterances([(3, 4), (2, 6)]))
    prompt = torch.arange(4 * 2 * 9).view(4, 2, 9) % 11
    sizes = torch.tensor([9, 3])
    for training in (False, True):
        starts = set()
        for seed in range(20 if training else 1):
            torch.manual_seed(seed)
            joined, mask = prepend_prompts(prompt, sizes, batch, 5, training, True)
            assert joined.lengths.tolist() == [9, 9]
            assert mask.sum(dim=1).tolist() == [5, 3]
            assert torch.equal(joined.codes[:, 0, 5:9], batch.codes[:, 0, :4])
            assert torch.equal(joined.codes[:, 1, 3:9], batch.codes[:, 1])
            assert torch.equal(joined.codes[:, 1, :3], prompt[:, 1, :3])
            windows = prompt[:, 0].unfold(1, 5, 1)
            window = joined.codes[:, 0, :5].unsqueeze(1)
            starts.add(int((windows == window).all(dim=2).all(dim=0).nonzero()[0]))
            moved = joined.positions - batch.positions
            assert (moved == torch.tensor([[5.0], [3.0]])).all()
        assert starts == (set(range(5)) if training else {0})
    still, _ = prepend_prompts(prompt, sizes, batch, 5, False, False)
    assert torch.equal(still.positions, batch.positions)


@pytest.mark.parametrize("form", ["release", "mini"])
def test_another_utterance_is_heard_by_the_nar_model_only(tiny, form):
    model = tiny.build(form, nar_prompt="speaker", nar_prompt_frames=5)
    inputs = tiny.collate(tiny.utterances(PAIRS))
    _, _, prompt, sizes = tiny.collate(
        tiny.utterances([(1, 8), (1, 3), (1, 6)], seed=5)
    )
    _, one, _ = model(*inputs, voice=prompt, voice_lengths=sizes)
    _, other, _ = model(*inputs, voice=(prompt + 1) % 11, voice_lengths=sizes)
    assert one["loss_ar"] == other["loss_ar"]
    assert one["loss_nar"] != other["loss_nar"]
    # Past the window nothing is heard.
    beyond = prompt.clone()
    beyond[0, 5:] = (beyond[0, 5:] + 1) % 11
    _, again, _ = model(*inputs, voice=beyond, voice_lengths=sizes)
    assert again["loss_nar"] == one["loss_nar"]


def test_wrong_or_missing_prompts_are_refused(tiny):
    model = tiny.build(nar_prompt="speaker")
    inputs = tiny.collate(tiny.utterances(PAIRS))
    with pytest.raises(ValueError, match="needs data named voice"):
        model(*inputs)
    with pytest.raises(ValueError, match=r"expected \[0, 10\]"):
        model(*inputs, voice=inputs[2] + 11, voice_lengths=inputs[3])


def test_without_prompt_all_frames_count(tiny):
    model = tiny.build(nar_prompt="none")
    ((text, codes),) = tiny.utterances([(4, 12)])
    _, stats, _ = model(*tiny.collate([(text, codes)]))
    batch = tiny.batch(model, [(text, codes)])
    nothing = torch.zeros(1, 12, dtype=torch.bool)
    logits = model.nar(
        batch.text, batch.text_lengths, batch.positions, batch.codes, batch.lengths,
        nothing, torch.tensor([2]),
    )  # fmt: skip
    expected = F.cross_entropy(logits[0], codes[2])
    torch.testing.assert_close(stats["loss_nar_3"], expected[None])
