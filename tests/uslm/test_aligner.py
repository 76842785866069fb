"""Alignment of texts with codes: the best path, learning, batches, places."""

import itertools

import pytest
import torch

from espnet_st.uslm.aligner import TextAligner, center_positions, state_durations

VOCAB, CODES = 5, 12


def corpus(size, seed=0):
    """Texts, codes and true lengths: token v sounds v frames, as codes 2v and 2v + 1.

    Silences of 3 frames, code 10 or 11, stand at both ends; no token comes twice in a
    row.
    """
    generator = torch.Generator().manual_seed(seed)
    texts = torch.randint(1, VOCAB, (size, 8), generator=generator).cumsum(1) % VOCAB
    counts = torch.randint(4, 9, (size,), generator=generator)
    codes, lengths = torch.zeros(size, 40, dtype=torch.long), []
    for row, count in enumerate(counts.tolist()):
        states = torch.tensor([VOCAB, *texts[row, :count].tolist(), VOCAB])
        spans = torch.where(states == VOCAB, 3, states)
        frames = 2 * states.repeat_interleave(spans)
        frames += torch.randint(2, frames.shape, generator=generator)
        codes[row, : len(frames)] = frames
        lengths.append(len(frames))
    return texts, counts, codes, torch.tensor(lengths)


@pytest.fixture(scope="module")
def trained():
    aligner = TextAligner(VOCAB, CODES)
    for seed in range(120):
        batch = corpus(8, seed)
        aligner.update(*batch, aligner.best_path(*batch))
    return aligner


def test_lengths_are_learnt_from_a_flat_start(trained):
    found = trained.mean_durations()
    expected = torch.tensor([0.0, 1, 2, 3, 4, 3])
    torch.testing.assert_close(found, expected, atol=0.35, rtol=0)


def test_every_token_is_found(trained):
    text, counts, codes, frames = corpus(16, seed=999)
    spans = state_durations(trained.best_path(text, counts, codes, frames), frames, 10)
    assert torch.equal(spans.sum(dim=1), frames.float())
    inside = torch.arange(8) < counts[:, None]
    right = spans[:, 1:9] == text
    assert right[inside].float().mean() > 0.95
    assert not spans[:, 2:][~(torch.arange(8) < counts[:, None])].any()


def test_the_path_is_the_likeliest_of_all(trained):
    text, counts = torch.tensor([[1, 3, 2]]), torch.tensor([3])
    codes, frames = torch.tensor([[10, 2, 6, 7, 11, 4]]), torch.tensor([6])
    scores = trained._log_emissions()[torch.tensor([5, 1, 3, 2, 5])][:, codes[0]]

    def total(path):
        return sum(scores[state, time] for time, state in enumerate(path)).item()

    allowed = [
        (first, *itertools.accumulate(steps, initial=first))[1:]
        for first in (0, 1)
        for steps in itertools.product((0, 1, 2), repeat=5)
    ]
    allowed = [path for path in allowed if path[-1] in (3, 4)]
    best = max(map(total, allowed))
    found = trained.best_path(text, counts, codes, frames)[0].tolist()
    assert tuple(found) in allowed and total(found) == pytest.approx(best, rel=1e-6)


def test_codes_fit_their_own_text_best_whatever_the_batch(trained):
    text, counts, codes, frames = corpus(6, seed=7)
    fits = trained.log_likelihood(text, counts, codes, frames)
    path = trained.best_path(text, counts, codes, frames)
    for i in range(6):
        states = torch.tensor([VOCAB, *text[i, : counts[i]].tolist(), VOCAB])
        own = trained._log_emissions()[states[path[i]], codes[i]][: frames[i]]
        torch.testing.assert_close(fits[i], own.mean())
        others = text.roll(1, 0)[i], counts.roll(1, 0)[i]
        other = trained.log_likelihood(
            *(x[None] for x in (*others, codes[i], frames[i]))
        )
        assert other < fits[i]
    nothing = torch.zeros(1, 0, dtype=torch.long)
    assert trained.log_likelihood(
        text[:1], counts[:1], nothing, counts[:1] * 0
    ).tolist() == [0]


def test_a_batch_is_aligned_as_one_by_one(trained):
    text, counts, codes, frames = corpus(6, seed=5)
    together = trained.best_path(text, counts, codes, frames)
    for i in range(6):
        alone = trained.best_path(
            text[i : i + 1, : counts[i]],
            counts[i : i + 1],
            codes[i : i + 1, : frames[i]],
            frames[i : i + 1],
        )
        assert torch.equal(together[i, : frames[i]], alone[0])


@pytest.mark.parametrize("steps", [0, 120])
def test_too_few_frames_are_spread_evenly(trained, steps):
    aligner = trained if steps else TextAligner(VOCAB, CODES)
    text, counts = torch.ones(1, 7, dtype=torch.long), torch.tensor([7])
    path = aligner.best_path(text, counts, torch.tensor([[3, 3, 3]]), torch.tensor([3]))
    assert path.tolist() == [[0, 3, 6]]
    nothing = torch.zeros(1, 0, dtype=torch.long)
    assert aligner.best_path(nothing, counts * 0, nothing, counts * 0).shape == (1, 0)


def test_tokens_stand_at_the_middle_of_their_lengths():
    spans = torch.tensor([[1.0, 2, 3, 0, 2], [2, 2, 2, 2, 0]])
    where = center_positions(spans, torch.tensor([16.0, 8.0]))
    torch.testing.assert_close(where[0], torch.tensor([4.0, 9.0, 12.0]))
    torch.testing.assert_close(where[1], torch.tensor([3.0, 5.0, 7.0]))
