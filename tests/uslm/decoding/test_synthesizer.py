"""Decoding: batches, prompts, ends and limits, candidates."""

import pytest
import torch

from espnet_st.uslm.aligner import TextAligner
from espnet_st.uslm.decoding import synthesizer as decoding
from espnet_st.uslm.decoding.ar import ARHypothesis, generate
from espnet_st.uslm.decoding.prompts import Prompt, PromptBatch
from espnet_st.uslm.decoding.reranking import select_best
from espnet_st.uslm.decoding.sampling import Sampling, derive_seed
from espnet_st.uslm.texts import concatenate, pad_texts

FORMS = ["release", "mini"]
MODES = {
    "greedy": dict(temperature=0),
    "temperature": dict(temperature=0.7),
    "top_k": dict(top_k=4),
    "top_p": dict(top_p=0.9),
    "repetition-aware": dict(temperature=0.5, ras_window=4, ras_threshold=0.3),
    "guided": dict(cfg_scale=1.7),
    "nbest": dict(nbest=3),
    "all": dict(top_p=0.9, ras_window=4, cfg_scale=1.7, nbest=2),
}


def prompts_of(pairs):
    return [Prompt(text, codes) for text, codes in pairs]


def wordless(prompt):
    return Prompt(None, prompt.codes)


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
        torch.tensor([0]), torch.tensor([9]), Sampling(temperature=0), [0],
    )[0].codes  # fmt: skip
    whole = torch.cat([codes[0], drawn])[None]
    expected = model.ar(text[None], length, where, whole)[0, 6:].argmax(-1)
    assert drawn.tolist() == expected[: len(drawn)].tolist()
    assert len(drawn) == 9 or expected[len(drawn)] == 11
    assert len(set(drawn.tolist())) > 1


@pytest.mark.parametrize("mode", list(MODES))
def test_a_batch_speaks_as_one_by_one(model, tiny, mode):
    restless(model)
    texts = [t for t, _ in tiny.utterances([(3, 1), (6, 1), (5, 1), (2, 1)], seed=2)]
    prompts = [*prompts_of(tiny.utterances([(4, 9), (2, 5), (6, 12)])), None]
    prompts[1] = wordless(prompts[1])
    options = MODES[mode] | dict(maxlenratio=4.0)
    together = model.synthesize(texts, prompts, seeds=[5, 6, 7, 8], **options)
    for i, (text, prompt) in enumerate(zip(texts, prompts)):
        alone = model.synthesize([text], [prompt], seeds=[5 + i], **options)[0]
        assert together[i].codes.tolist() == alone.codes.tolist()
        assert together[i].truncated == alone.truncated
        assert together[i].score == pytest.approx(alone.score, abs=1e-5)
    backwards = model.synthesize(
        texts[::-1], prompts[::-1], seeds=[8, 7, 6, 5], **options
    )
    for one, other in zip(together, backwards[::-1]):
        assert one.codes.tolist() == other.codes.tolist()
    assert len({spoken.codes.shape[1] for spoken in together}) > 1


def test_padding_of_prompts_is_not_seen(model, tiny):
    restless(model)
    text, prompt = torch.tensor([1, 2, 3]), prompts_of(tiny.utterances([(4, 9)]))[0]
    long = prompts_of(tiny.utterances([(6, 30)], seed=4))[0]
    options = dict(temperature=0, maxlenratio=3.0)
    alone = model.synthesize([text], [prompt], **options)[0].codes
    beside = model.synthesize([text, text], [prompt, long], **options)[0].codes
    assert alone.tolist() == beside.tolist()


def test_the_prompt_goes_to_the_ar_model_if_asked(tiny):
    model = tiny.build("mini", seed=2)
    torch.nn.init.normal_(model.ar.predict_layer.weight)
    text = torch.tensor([1, 2, 3])
    prompt, other = prompts_of(tiny.utterances([(4, 9), (4, 9)]))
    options = dict(minlenratio=9.0, maxlenratio=9.0)
    first, second = model.synthesize([text] * 2, [prompt, other], **options)
    assert first.codes[0].tolist() != second.codes[0].tolist()
    first, second = model.synthesize(
        [text] * 2, [prompt, other], ar_prompt=False, **options
    )
    assert first.codes[0].tolist() == second.codes[0].tolist()


def prompts_of_length(text, frames):
    """A batch of one prompt as `predict_durations` needs it."""
    return PromptBatch([], torch.zeros(1, 0), torch.tensor([frames]), pad_texts([text]))


NO_PROMPT = prompts_of_length(torch.zeros(0, dtype=torch.long), 0)


def test_new_text_takes_the_pace_of_its_prompt(tiny):
    model = tiny.build("mini")
    new, words = pad_texts([torch.tensor([1, 2, 3])]), torch.tensor([4, 5])
    known = pad_texts([words])
    usual = float(model.aligner.expected_durations(known.ids, known.lengths).sum())
    predict = model.synthesizer.predict_durations
    slow, fast = (
        predict(new, prompts_of_length(words, pace * usual)).positions
        for pace in (2.0, 1.0)
    )
    torch.testing.assert_close(slow, 2 * fast)
    torch.testing.assert_close(predict(new, NO_PROMPT).positions, fast)


def test_texts_follow_each_other_on_the_time_axis(tiny):
    model = tiny.build("mini")
    prompt = Prompt(torch.tensor([4, 5]), torch.zeros(4, 9, dtype=torch.long))
    prompts = model.synthesizer.encode_prompts([prompt])
    new = pad_texts([torch.tensor([1, 2, 3])])
    new = model.synthesizer.predict_durations(new, prompts)
    both = concatenate(prompts.texts, new, prompts.lengths)
    assert both.ids.tolist() == [[4, 5, 1, 2, 3]] and both.lengths.tolist() == [5]
    assert torch.equal(both.positions[0, :2], prompts.texts.positions[0])
    assert torch.equal(both.positions[0, 2:], new.positions[0] + 9)
    assert (both.positions.diff() > 0).all()


def end_bias(model, amount):
    """Make the end token's score large or small, whatever came before."""
    with torch.no_grad():
        model.ar.decoder.norm.bias.fill_(1.0)
        model.ar.predict_layer.weight[11] = amount / 16
    return model


def test_minimum_and_maximum_lengths_hold(tiny):
    texts = [torch.tensor([1, 2]), torch.tensor([1, 2, 3, 4])]
    eager, endless = end_bias(tiny.build(), 99.0), end_bias(tiny.build(), -99.0)
    options = dict(minlenratio=2.0, maxlenratio=3.0)
    spoken = eager.synthesize(texts, [None] * 2, **options)
    assert [one.codes.shape[1] for one in spoken] == [4, 8]
    assert not any(one.truncated for one in spoken)
    spoken = endless.synthesize(texts, [None] * 2, **options)
    assert [one.codes.shape[1] for one in spoken] == [6, 12]
    assert all(one.truncated for one in spoken)


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
    spoken = model.synthesize([torch.tensor([1])], [prompt])[0]
    assert spoken.codes.shape[1] == 3 and spoken.truncated


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
    assert model.require_vocoder and not model.use_gst


def test_a_prompt_comes_as_features_too(tiny):
    """As ESPnet passes what it made of the data `speech`."""
    model = tiny.build(speech_prompt=True)
    assert model.use_gst
    text, codes = torch.tensor([1, 2, 3]), torch.randint(model.codebook_size, (4, 6))
    options = dict(seeds=[3])
    by_codes = model.inference(text, prompt_codes=codes, **options)["codes"]
    by_feats = model.inference(text, feats=codes.t().float(), **options)["codes"]
    assert torch.equal(by_codes, by_feats)
    with pytest.raises(ValueError, match="codes have 3 layers; expected 4"):
        model.inference(text, feats=codes[:3].t().float())


def sudden(tiny):
    """A model that ends at each step with a probability of about 0.8."""
    model = tiny.build()
    with torch.no_grad():
        model.ar.decoder.norm.weight.zero_()
        model.ar.decoder.norm.bias.fill_(1.0)
        model.ar.predict_layer.weight.zero_()
        model.ar.predict_layer.weight[11] = 0.238  # e^(16 * 0.238) = 45 of 56
    return model


def test_what_ends_at_once_is_drawn_again(tiny, monkeypatch):
    model, texts = sudden(tiny), [torch.tensor([1, 2])] * 40
    options = dict(seeds=list(range(40)))
    spoken = model.synthesize(texts, [None] * 40, **options)
    monkeypatch.setattr(decoding, "ATTEMPTS", 1)
    once = model.synthesize(texts, [None] * 40, **options)
    empty = [one.codes.shape[1] == 0 for one in once]
    assert 24 <= sum(empty) <= 38
    still = [one.codes.shape[1] == 0 for one in spoken]
    assert 8 <= sum(still) < sum(empty) - 6
    for first, final, was_empty in zip(once, spoken, empty):
        assert was_empty or first.codes.equal(final.codes)
    monkeypatch.undo()
    for row in range(8):
        alone = model.synthesize(texts[:1], [None], seeds=[row])[0]
        assert alone.codes.equal(spoken[row].codes)


def test_the_best_of_the_candidates_is_taken(tiny, monkeypatch):
    monkeypatch.setattr(decoding, "ATTEMPTS", 1)
    model = restless(tiny.build())
    texts = [t for t, _ in tiny.utterances([(3, 1), (5, 1)])]
    options, lengths = dict(maxlenratio=6.0, temperature=3.0), set()
    best = model.synthesize(texts, [None] * 2, nbest=5, seeds=[1, 4], **options)
    for seed, text, chosen in zip((1, 4), texts, best):
        each = [
            model.synthesize([text], [None], seeds=[derive_seed(seed, n)], **options)[0]
            for n in range(5)
        ]
        whole = [one for one in each if one.codes.shape[1] and not one.truncated]
        expected = max(whole or each, key=lambda one: one.score)
        assert chosen.codes.equal(expected.codes)
        lengths |= {one.codes.shape[1] for one in each}
    assert len(lengths) > 3


def test_an_aligner_says_which_candidate_fits_the_text(tiny):
    aligner = TextAligner(3, 4)
    aligner.steps += aligner.FLAT_STEPS
    aligner.joint = torch.eye(4) / 4  # code 3 is the silence
    text, lengths = torch.tensor([[1, 2]] * 4 + [[2, 0]] * 4), torch.full((8,), 2)
    right, wrong = torch.tensor([3, 1, 2, 2, 3]), torch.tensor([3, 2, 1, 1, 3])
    each = [
        ARHypothesis(wrong, -0.5, False),
        ARHypothesis(right, -1.0, False),
        ARHypothesis(right, -0.9, False),
        ARHypothesis(right, -0.1, True),
    ]
    drawn = each + [
        ARHypothesis(right[:0], 0.0, False),
        *each[1:3],
        ARHypothesis(right, -2, False),
    ]
    first, second = select_best(text, lengths, drawn, 4, aligner)
    assert first is drawn[2] and second is drawn[6]
    first, second = select_best(text, lengths, drawn, 4, None)
    assert first is drawn[0] and second is drawn[6]


def test_a_prompt_without_words_serves_the_nar_model_only(model, tiny):
    restless(model)
    text = torch.tensor([1, 2, 3])
    prompt, other = prompts_of(tiny.utterances([(4, 9), (4, 9)]))
    options = dict(minlenratio=6.0, maxlenratio=6.0)
    first, second, nobody = model.synthesize(
        [text] * 3, [wordless(prompt), wordless(other), None], **options
    )
    assert first.codes[0].equal(second.codes[0])
    assert first.codes[0].equal(nobody.codes[0])
    assert not first.codes[1:].equal(second.codes[1:])
    assert not first.codes[1:].equal(nobody.codes[1:])


def test_a_prompt_without_words_has_no_text_at_its_frames(tiny):
    model = tiny.build("mini")
    model.aligner.steps += model.aligner.FLAT_STEPS  # it has learnt something
    prompts = prompts_of(tiny.utterances([(4, 9), (5, 7)]))
    synthesizer = model.synthesizer
    encoded = synthesizer.encode_prompts([wordless(prompts[0]), prompts[1]])
    assert encoded.texts.lengths.tolist() == [0, 5]
    text = torch.tensor([1, 2, 3])
    new = synthesizer.predict_durations(pad_texts([text] * 2), encoded)
    both = concatenate(encoded.texts, new, encoded.lengths)
    assert both.ids[0, :3].tolist() == [1, 2, 3] and both.lengths.tolist() == [3, 8]
    assert float(both.positions[0, 0]) > 9
    alone = synthesizer.predict_durations(pad_texts([text]), NO_PROMPT)
    torch.testing.assert_close(new.positions[0], alone.positions[0])
