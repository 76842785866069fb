"""Codes of waveforms that come again."""

import pytest
import torch

from espnet_st.frontend.code_cache import PER_ENTRY, CodeCache

WAVS = [torch.full((size,), float(size)) for size in (3, 4, 5)]


def encode(wavs):
    """Make a code of each sample."""
    return [wav.long()[None] for wav in wavs]


def equal(found, wavs):
    return all(map(torch.equal, found, encode(wavs))) and len(found) == len(wavs)


def test_each_waveform_is_encoded_once_and_in_the_order_of_the_batch():
    cache, asked = CodeCache(1), []

    def count(wavs):
        asked.append(len(wavs))
        return encode(wavs)

    assert equal(cache.get(WAVS[:2], count), WAVS[:2])
    mixed = [WAVS[1], WAVS[2], WAVS[0], WAVS[2].clone()]
    assert equal(cache.get(mixed, count), mixed)
    assert equal(cache.get(WAVS, count), WAVS)
    assert asked == [2, 1]
    assert (cache.misses, cache.hits) == (3, 6)


def test_what_differs_in_a_sample_or_in_shape_is_another_waveform():
    cache = CodeCache(1)
    wav = torch.zeros(6)
    for other in (wav, wav[:5], wav.view(3, 2), wav + torch.eye(6)[5]):
        cache.get([other], encode)
    assert (cache.misses, cache.hits) == (4, 0)


def test_codes_of_large_codebooks_stay_what_they_are():
    cache = CodeCache(1)
    for codes in ([[2**15 - 1, 0]], [[2**15, 3]], [[2**31 - 1]]):
        codes = torch.tensor(codes)
        wav = [codes.float()]
        for _ in range(2):
            (found,) = cache.get(wav, lambda _, codes=codes: [codes])
            assert torch.equal(found, codes) and found.dtype == torch.int64


def test_a_full_cache_keeps_what_it_has_and_encodes_the_rest():
    cache = CodeCache(2 * (PER_ENTRY + 8) / 1e6)  # room for two
    for _ in range(2):
        assert equal(cache.get(WAVS, encode), WAVS)
    assert (cache.misses, cache.hits) == (3 + 1, 2)
    assert 0 <= cache.room < PER_ENTRY


def test_none_is_kept_without_room():
    cache = CodeCache(0)
    for _ in range(2):
        assert equal(cache.get(WAVS, encode), WAVS)
    assert (cache.misses, cache.hits) == (6, 0)


def test_a_negative_bound_is_refused():
    with pytest.raises(ValueError, match="cache_mb is -1; expected 0"):
        CodeCache(-1)
