"""Decoding: the cache, batches, prompts, ends and limits."""

import pytest
import torch

from espnet_st.uslm.ar_decoding import Sampling, generate
from espnet_st.uslm.decoding import Prompt, align, foresee, join, pad_texts

FORMS = ["release", "mini"]


def prompts_of(pairs):
    return [Prompt(text, codes) for text, codes in pairs]


def restless(model):
    """Make greedy decoding change its mind, and end: random heads and embeddings."""
    torch.manual_seed(3)
    for table in (model.ar.audio_embedding, model.ar.predict_layer):
        torch.nn.init.normal_(table.weight, std=2.0)
    return model


def test_greedy_codes_are_the_likeliest_of_the_full_forward(model, tiny):
    restless(model)
    ((text, codes),) = tiny.utterances([(5, 6)])
    length, where = torch.tensor([5]), torch.arange(5.0)[None] * 2
    drawn = generate(
        model.ar,
        text[None], length, where, codes[:1], torch.tensor([6]),
        torch.tensor([0]), torch.tensor([9]), Sampling(temperature=0),
    )[0]  # fmt: skip
    whole = torch.cat([codes[0], drawn])[None]
    wanted = model.ar(text[None], length, where, whole)[0, 6:].argmax(-1)
    assert drawn.tolist() == wanted[: len(drawn)].tolist()
    assert len(drawn) == 9 or wanted[len(drawn)] == 11
    assert len(set(drawn.tolist())) > 1


@pytest.mark.parametrize("options", [dict(temperature=0), dict(top_p=0.9)])
@pytest.mark.parametrize("ar_prompt", [True, False])
def test_a_batch_speaks_as_one_by_one(model, tiny, options, ar_prompt):
    restless(model)
    texts = [t for t, _ in tiny.utterances([(3, 1), (6, 1), (5, 1), (2, 1)], seed=2)]
    prompts = [*prompts_of(tiny.utterances([(4, 9), (2, 5), (6, 12)])), None]
    options = options | dict(maxlenratio=4.0, ar_prompt=ar_prompt)
    together = model.synthesize(texts, prompts, seeds=[5, 6, 7, 8], **options)
    for i, (text, prompt) in enumerate(zip(texts, prompts)):
        alone = model.synthesize([text], [prompt], seeds=[5 + i], **options)[0]
        assert together[i].tolist() == alone.tolist()
    assert len({codes.shape[1] for codes in together}) > 1


def test_padding_of_prompts_is_not_seen(model, tiny):
    restless(model)
    text, prompt = torch.tensor([1, 2, 3]), prompts_of(tiny.utterances([(4, 9)]))[0]
    long = prompts_of(tiny.utterances([(6, 30)], seed=4))[0]
    options = dict(temperature=0, maxlenratio=3.0)
    alone = model.synthesize([text], [prompt], **options)[0]
    beside = model.synthesize([text, text], [prompt, long], **options)[0]
    assert alone.tolist() == beside.tolist()


def test_the_prompt_goes_to_the_ar_model_if_asked(tiny):
    model = tiny.build("mini", seed=2)
    torch.nn.init.normal_(model.ar.predict_layer.weight)
    text = torch.tensor([1, 2, 3])
    prompt, other = prompts_of(tiny.utterances([(4, 9), (4, 9)]))
    options = dict(minlenratio=9.0, maxlenratio=9.0)
    first, second = model.synthesize([text] * 2, [prompt, other], **options)
    assert first[0].tolist() != second[0].tolist()
    first, second = model.synthesize(
        [text] * 2, [prompt, other], ar_prompt=False, **options
    )
    assert first[0].tolist() == second[0].tolist()


def test_new_text_takes_the_pace_of_its_prompt(tiny):
    model = tiny.build("mini")
    new, said = pad_texts([torch.tensor([1, 2, 3])]), pad_texts([torch.tensor([4, 5])])
    usual = float(model.aligner.expected(said.ids, said.lengths).sum())
    slow, fast = (
        foresee(model, new, said, torch.tensor([pace * usual])).positions
        for pace in (2.0, 1.0)
    )
    torch.testing.assert_close(slow, 2 * fast)
    nobody = pad_texts([torch.zeros(0, dtype=torch.long)])
    alone = foresee(model, new, nobody, torch.tensor([0])).positions
    torch.testing.assert_close(alone, fast)


def test_texts_follow_each_other_on_the_time_axis(tiny):
    model = tiny.build("mini")
    said, new = pad_texts([torch.tensor([4, 5])]), pad_texts([torch.tensor([1, 2, 3])])
    frames = torch.tensor([9])
    said = align(model, said, torch.zeros(1, 9, dtype=torch.long), frames)
    new = foresee(model, new, said, frames)
    both = join(said, new, frames)
    assert both.ids.tolist() == [[4, 5, 1, 2, 3]] and both.lengths.tolist() == [5]
    assert torch.equal(both.positions[0, :2], said.positions[0])
    assert torch.equal(both.positions[0, 2:], new.positions[0] + 9)
    assert (both.positions.diff() > 0).all()


def end_bias(model, amount):
    """Make the end token's score large or small, whatever was heard."""
    with torch.no_grad():
        model.ar.decoder.norm.bias.fill_(1.0)
        model.ar.predict_layer.weight[11] = amount / 16
    return model


def test_minimum_and_maximum_lengths_hold(tiny):
    texts = [torch.tensor([1, 2]), torch.tensor([1, 2, 3, 4])]
    eager, endless = end_bias(tiny.build(), 99.0), end_bias(tiny.build(), -99.0)
    options = dict(minlenratio=2.0, maxlenratio=3.0)
    sizes = [c.shape[1] for c in eager.synthesize(texts, [None] * 2, **options)]
    assert sizes == [4, 8]
    sizes = [c.shape[1] for c in endless.synthesize(texts, [None] * 2, **options)]
    assert sizes == [6, 12]


def test_ending_at_once_gives_no_frames(tiny):
    model = end_bias(tiny.build(), 99.0)
    codes = model.inference(torch.tensor([1, 2]))["codes"]
    assert codes.shape == (4, 0)


def test_new_codes_are_whole_and_in_range(model, tiny):
    prompt = prompts_of(tiny.utterances([(4, 9)]))[0]
    codes = model.inference(
        torch.tensor([1, 2]), prompt.text, prompt.codes, minlenratio=3.0
    )["codes"]
    assert codes.shape[0] == 4 and codes.dtype == torch.long
    assert 0 <= codes.min() and codes.max() < 11


def test_length_is_limited_by_max_frames(tiny):
    model = end_bias(tiny.build(max_frames=12), -99.0)
    prompt = prompts_of(tiny.utterances([(4, 9)]))[0]
    assert model.synthesize([torch.tensor([1])], [prompt])[0].shape[1] == 3


@pytest.mark.parametrize(
    "text, prompt, message",
    [
        ([], None, "a text is empty"),
        ([7], None, "expected 0 to 6"),
        ([1], (4, 12, 0), "the prompt has 12 frames: give fewer than max_frames, 12"),
        ([1], (3, 5, 0), "3 layers; expected 4"),
        ([1], (4, 5, 11), r"expected \[0, 10\]"),
    ],
)
def test_unusable_requests_are_refused(tiny, text, prompt, message):
    if prompt is not None:
        n_q, frames, code = prompt
        codes = torch.full((n_q, frames), code)
        prompt = Prompt(torch.tensor([1, 2]), codes)
    model = tiny.build(max_frames=12)
    with pytest.raises(ValueError, match=message):
        model.synthesize([torch.tensor(text, dtype=torch.long)], [prompt])


def test_espnets_call_is_answered(tiny):
    model = tiny.build()
    text = torch.tensor([1, 2])
    assert model.inference(text=text, use_teacher_forcing=False)["codes"].shape[0] == 4
    with pytest.raises(ValueError, match="no teacher forcing"):
        model.inference(text=text, use_teacher_forcing=True)
    with pytest.raises(ValueError, match="without prompt_text"):
        model.inference(text, prompt_codes=torch.zeros(4, 5, dtype=torch.long))
    assert not model.require_vocoder
