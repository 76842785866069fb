"""Writing codes step by step: the cache, rows that end, guidance, scores."""

import pytest
import torch

from espnet_st.uslm.decoding.ar import generate, last_codes
from espnet_st.uslm.decoding.continuation import Continuation, GuidedContinuation
from espnet_st.uslm.decoding.sampling import Sampling
from espnet_st.uslm.kv_cache import KVCache, fill_gaps
from espnet_st.uslm.texts import pad_texts

STEPS = 9


def ragged(model, seed):
    """Texts and prompts of unlike lengths, and codes to go on with (B, STEPS)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(top, *shape):
        return torch.randint(top, shape, generator=generator)

    texts = pad_texts([draw(7, size) for size in (3, 6, 1, 4)])
    texts.positions = texts.positions * 2.5
    prompt, lengths = draw(11, 4, 8), torch.tensor([5, 0, 8, 2])
    return (*texts.inputs, prompt, lengths), draw(11, 4, STEPS)


def uncached(model, given, codes, row):
    """Logits of every step of a row, from one pass over all of it, by itself."""
    text, text_lengths, positions, prompt, lengths = (part[row] for part in given)
    whole = torch.cat([prompt[:lengths], codes[row]])
    return model.ar(
        text[None, :text_lengths],
        text_lengths[None],
        positions[None, :text_lengths],
        whole[None],
    )[0, lengths:]


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_cached_scores_are_those_of_the_whole_at_every_step(model, seed):
    given, codes = ragged(model, seed)
    future = Continuation(model.ar, *given, max_frames=STEPS)
    rows = torch.arange(4)
    for step in range(STEPS):
        if step in (2, 5):  # some rows end
            kept = torch.tensor([3, 1, 2] if step == 2 else [0, 2])
            rows = rows[kept]
            future.keep(kept)
        future.append(codes[rows, step])
        for place, row in enumerate(rows.tolist()):
            wanted = uncached(model, given, codes, row)[step + 1]
            torch.testing.assert_close(future.logits[place], wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_first_scores_are_those_of_the_whole(model):
    given, codes = ragged(model, 5)
    future = Continuation(model.ar, *given, max_frames=1)
    for row in range(4):
        wanted = uncached(model, given, codes, row)[0]
        torch.testing.assert_close(future.logits[row], wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_memory_is_taken_once(model):
    given, codes = ragged(model, 0)
    future = Continuation(model.ar, *given, max_frames=STEPS)
    stores = [store.data_ptr() for store in future._cache._layers.values()]
    for step in range(STEPS):
        future.append(codes[:, step])
    assert stores == [store.data_ptr() for store in future._cache._layers.values()]
    assert future._cache.size == future._cache.capacity


def test_as_many_rows_as_can_stay_where_they_are():
    torch.manual_seed(0)
    for _ in range(50):
        going = torch.rand(int(torch.randint(1, 12, ()))) < 0.6
        rows = fill_gaps(going)
        assert sorted(rows.tolist()) == going.nonzero()[:, 0].tolist()
        stay = going[: len(rows)]
        assert torch.equal(rows[stay], torch.arange(len(rows))[stay])


def test_a_cache_moves_rows_with_all_they_hold():
    cache = KVCache(5)
    keys, values = torch.randn(2, 4, 2, 3, 6)
    cache.append(0, keys, values)
    cache.advance(3)
    rows = torch.tensor([3, 1])
    cache.select(rows)
    new = torch.randn(2, 2, 1, 6)
    held, _ = cache.append(0, new, new)
    assert torch.equal(held, torch.cat([keys[rows], new], dim=2))
    assert torch.equal(cache.append(0, new, -new)[1][:, :, :3], values[rows])


@torch.no_grad()
def test_guidance_goes_from_no_text_towards_the_text(model):
    given, codes = ragged(model, 1)
    blank = (torch.zeros_like(given[0]), *given[1:])
    with_text = Continuation(model.ar, *given, max_frames=2)
    without = Continuation(model.ar, *blank, max_frames=2)
    guided = GuidedContinuation(model.ar, *given, max_frames=2, scale=1.5)
    for step in range(3):
        wanted = without.logits + 1.5 * (with_text.logits - without.logits)
        torch.testing.assert_close(guided.logits, wanted, atol=1e-5, rtol=0)
        for one in (with_text, without, guided):
            if step == 1:
                one.keep(torch.tensor([0, 3, 2]))
            if step < 2:
                one.append(codes[: 4 - step, step])


def run(model, given, sampling, most=STEPS, seeds=(0, 1, 2, 3)):
    limits = torch.zeros(4, dtype=torch.long), torch.full((4,), most)
    return generate(model.ar, *given, *limits, sampling, seeds)


def test_full_guidance_away_from_the_text_forgets_it(model):
    given, _ = ragged(model, 2)
    other = ((given[0] + 3) % 7, *given[1:])
    first, second = (
        run(model, which, Sampling(cfg_scale=0.0)) for which in (given, other)
    )
    assert [d.codes.tolist() for d in first] == [d.codes.tolist() for d in second]
    first, second = (run(model, which, Sampling()) for which in (given, other))
    assert [d.codes.tolist() for d in first] != [d.codes.tolist() for d in second]


@torch.no_grad()
def test_the_score_is_the_mean_log_probability(model):
    given, _ = ragged(model, 3)
    for row, drawn in enumerate(run(model, given, Sampling(temperature=0.7), 40)):
        codes = torch.zeros(4, len(drawn.codes), dtype=torch.long)
        codes[row] = drawn.codes
        mass = uncached(model, given, codes, row).log_softmax(-1)
        wanted = drawn.codes.tolist() + [11] * (not drawn.truncated)
        expected = sum(mass[i, code] for i, code in enumerate(wanted)) / len(wanted)
        assert drawn.score == pytest.approx(float(expected), abs=1e-5)


def test_repetition_is_drawn_away(tiny):
    model = tiny.build()
    with torch.no_grad():
        model.ar.decoder.norm.weight.zero_()
        model.ar.decoder.norm.bias.fill_(1.0)
        model.ar.predict_layer.weight.zero_()
        model.ar.predict_layer.weight[4] = 0.05
        model.ar.predict_layer.weight[11] = -99.0
    given, _ = ragged(model, 0)
    plain = run(model, given, Sampling(temperature=0), 30)
    assert all(set(drawn.codes.tolist()) == {4} for drawn in plain)
    aware = run(model, given, Sampling(temperature=0, ras_window=10), 30)
    for drawn in aware:
        assert len(drawn.codes.unique()) > 4
    # What is drawn depends on the seed.
    assert aware[0].codes.tolist() != aware[1].codes.tolist()


def test_the_window_of_repetitions_starts_in_the_prompt():
    codes = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    lengths = torch.tensor([4, 2])
    assert last_codes(codes, lengths, 3).tolist() == [[2, 3, 4], [-1, 5, 6]]
    assert last_codes(codes[:, :0], torch.tensor([0, 0]), 2).tolist() == [[-1, -1]] * 2
    assert last_codes(codes, lengths, 0).shape == (2, 0)
