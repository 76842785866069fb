"""Guidance by the aligner: its equation, the end, batches, what it makes of speech."""

import math

import pytest
import torch

from espnet_st.uslm.decoding.aligner_guidance import AlignerGuidance
from espnet_st.uslm.decoding.continuation import Continuation
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.texts import pad_texts

SILENCE, CODES = 7, 11


@pytest.fixture
def knowing(tiny):
    """A tiny model whose aligner has heard something: states of 1 to 4 frames."""
    model = tiny.build("mini", seed=3)
    torch.nn.init.normal_(model.ar.predict_layer.weight)
    joint = torch.rand(SILENCE + 1, CODES) ** 4
    model.aligner.joint = joint / joint.sum()
    model.aligner.visits = model.aligner.joint.sum(1) / torch.linspace(1, 4, 8)
    return model


def begin(model, texts):
    """Padded texts with predicted durations, and their continuation."""
    synthesizer = model.synthesizer
    nobody = synthesizer.encode_prompts([None] * len(texts))
    padded = synthesizer.predict_durations(pad_texts(texts), nobody)
    prompts = nobody.semantic, nobody.lengths
    return padded, Continuation(model.ar, *padded.inputs, *prompts, max_frames=12)


def restated(aligner, text, time):
    """log of p(code | text at time) / p(code), in float64, state by state."""
    joint = aligner.joint.double()
    prior = joint.sum(0) / joint.sum()
    states = [SILENCE, *text, SILENCE]
    start, weights, odds = 0.0, [], []
    for number, state in enumerate(states):
        end = start + float(aligner.mean_durations()[state])
        if number == len(states) - 1:
            end = math.inf
        weights.append(math.exp(-max(start - time, time - end, 0.0)))
        mass = joint[state] + aligner.PRIOR * joint.sum(0)
        odds.append(mass / (joint[state].sum() + aligner.PRIOR) / prior)
        start = end
    total = sum(weights)
    return sum(w / total * o for w, o in zip(weights, odds)).log()


@torch.no_grad()
def test_scores_go_towards_what_the_text_asks_and_the_end_stays(knowing):
    texts = [torch.tensor([1, 5, 2]), torch.tensor([4]), torch.tensor([6, 0, 3, 3, 1])]
    padded, continuation = begin(knowing, texts)
    guidance = AlignerGuidance(knowing.aligner, 1.7, padded)
    rows = [0, 1, 2]
    for step in range(10):
        before = continuation.logits.clone()
        bound = guidance(continuation.logits, step).softmax(1)
        assert continuation.logits.equal(before)
        free = before.double().softmax(1)
        torch.testing.assert_close(
            bound[:, -1].double(), free[:, -1], rtol=1e-4, atol=0
        )
        for row, found in zip(rows, bound):
            tilt = 1.7 * restated(knowing.aligner, texts[row].tolist(), step + 0.5)
            wanted = (free[rows.index(row), :-1].log() + tilt).softmax(0)
            shares = found[:-1].double() / found[:-1].sum()
            torch.testing.assert_close(shares, wanted, rtol=1e-4, atol=1e-7)
        if step == 4:
            rows = [2, 0]
            for one in (continuation, guidance):
                one.keep(torch.tensor(rows))
        continuation.append(torch.arange(len(rows)) + step % 5)


def test_a_batch_speaks_as_one_by_one(knowing, tiny):
    texts = [t for t, _ in tiny.utterances([(3, 1), (6, 1), (2, 1)], seed=2)]
    prompts = [Prompt(t, c) for t, c in tiny.utterances([(4, 9), (2, 5)])] + [None]
    options = dict(align_scale=2.0, maxlenratio=4.0, nbest=2)
    together = knowing.synthesize(texts, prompts, seeds=[5, 6, 7], **options)
    for seed, text, prompt, beside in zip((5, 6, 7), texts, prompts, together):
        alone = knowing.synthesize([text], [prompt], seeds=[seed], **options)[0]
        assert alone.codes.equal(beside.codes)
        assert alone.score == pytest.approx(beside.score, abs=1e-5)


def test_strong_guidance_says_the_text_at_the_pace_of_the_prompt(knowing):
    aligner = knowing.aligner
    aligner.joint = torch.eye(SILENCE + 1, CODES) / (SILENCE + 1)  # state s, code s
    aligner.visits = aligner.joint.sum(1) / 3
    text = torch.tensor([4, 1, 6])
    prompt = Prompt(torch.tensor([2, 5]), torch.randint(CODES, (4, 24)))
    for ar_prompt in (True, False):  # 24 frames for four states: twice as slow
        codes = knowing.synthesize(
            [text], [prompt], align_scale=30.0, minlenratio=10.0, ar_prompt=ar_prompt
        )[0].codes[0]
        expected = torch.tensor([7, 4, 1, 6]).repeat_interleave(6)
        # A neighbour may sound at the frames next to a border.
        inside = (
            torch.tensor([1, 2, 3, 4] * 4) + torch.arange(4).repeat_interleave(4) * 6
        )
        assert codes[inside].equal(expected[inside])
        assert (codes[25:] == SILENCE).all()


def test_a_model_without_an_aligner_refuses_it(tiny):
    with pytest.raises(ValueError, match="align_scale is 1.5.*no aligner.*align: true"):
        tiny.build("release").synthesize([torch.tensor([1])], [None], align_scale=1.5)
