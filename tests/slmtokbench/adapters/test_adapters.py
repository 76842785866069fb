"""Adapters on tiny random models of the real classes, saved to a directory."""

import numpy as np
import pytest
import torch
import yaml
from tiny_hugging_face import MAKERS, save_codec
from tiny_stock import save_stock
from tiny_units import make_units, save_teacher_with_units, save_units

from espnet_st.slmtokbench.adapters.registry import all_adapters, load_adapter

SIZES = {
    "encodec": (24000, 320, 3),
    "dac": (16000, 320, 3),
    "mimi": (24000, 1920, 3),
    "xcodec": (16000, 320, 3),
    "xcodec2": (16000, 320, 1),
}
OURS = ("speechtokenizer", "stock-encodec", "hubert_units", "units")


@pytest.fixture(scope="module")
def sources(tmp_path_factory, exp):
    found = {"speechtokenizer": exp}
    for kind in MAKERS:
        found[kind] = tmp_path_factory.mktemp(kind)
        save_codec(kind, found[kind])
    found["stock-encodec"] = tmp_path_factory.mktemp("stock")
    save_stock(found["stock-encodec"], "encodec")
    root = tmp_path_factory.mktemp("units")
    teacher = save_teacher_with_units(root)
    model = make_units(teacher)
    model._read_units()
    found["hubert_units"] = root / "exp/codec"
    save_units(found["hubert_units"], model, teacher, "spectral")
    found["units"] = root / "units.yaml"
    conf = {"name": "exp/teacher", "units_file": "exp/units/units.npy"}
    found["units"].write_text(yaml.safe_dump(conf))
    return found


@pytest.fixture(scope="module")
def adapters(sources):
    return {name: load_adapter(source) for name, source in sources.items()}


def noise(*shape, seed=0):
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [*MAKERS, *OURS])
def test_codes_have_the_layers_rates_and_sizes_that_the_adapter_tells(adapters, kind):
    adapter = adapters[kind]
    wavs = [noise(16 * adapter.hop_length), noise(11 * adapter.hop_length + 7, seed=1)]
    for wav, codes in zip(wavs, adapter.encode(wavs), strict=True):
        assert codes.dtype == torch.int64 and len(codes) == adapter.n_q
        assert abs(codes.shape[1] - len(wav) / adapter.hop_length) <= 1
        assert (codes >= 0).all()
        assert (codes < torch.tensor(adapter.codebook_sizes)[:, None]).all()
        assert len(codes.unique()) > 1
    assert adapter.frame_rate == adapter.sample_rate / adapter.hop_length
    if kind in SIZES:
        found = adapter.sample_rate, adapter.hop_length, adapter.n_q
        assert found == SIZES[kind]


@pytest.mark.parametrize("kind", [*MAKERS, *OURS])
def test_a_batch_has_the_codes_of_each_alone(adapters, kind):
    adapter = adapters[kind]
    wavs = [noise(n * adapter.hop_length + n, seed=n) for n in (12, 5, 9)]
    alone = [adapter.encode([wav])[0] for wav in wavs]
    for one, other in zip(adapter.encode(wavs), alone, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [*MAKERS, *OURS])
def test_stereo_is_averaged_and_another_rate_is_resampled(adapters, kind):
    adapter = adapters[kind]
    wav = noise(10 * adapter.hop_length)
    both = torch.stack([wav + 0.05, wav - 0.05])
    stereo, mono = adapter.encode([both])[0], adapter.encode([both.mean(0)])[0]
    torch.testing.assert_close(stereo, mono, rtol=0, atol=0)
    doubled = np.repeat(wav.numpy(), 2)
    codes = adapter.encode([doubled], 2 * adapter.sample_rate)[0]
    assert codes.shape == mono.shape


@pytest.mark.parametrize("kind", [*MAKERS, *OURS[:3]])
def test_decoding_the_first_layers_gives_whole_frames(adapters, kind):
    adapter = adapters[kind]
    codes = adapter.encode([noise(9 * adapter.hop_length)])[0]
    waves = [adapter.decode([codes[:k]])[0] for k in sorted({1, adapter.n_q})]
    for wav in waves:
        assert wav.shape == (codes.shape[1] * adapter.hop_length,)
        assert wav.dtype == torch.float32 and wav.isfinite().all()
    if adapter.n_q > 1:
        assert not torch.equal(*waves)
        with pytest.raises(ValueError, match="expected"):
            adapter.decode([torch.cat([codes, codes])])


@pytest.mark.parametrize("kind", ["encodec", "dac", "mimi"])
def test_the_tables_add_up_to_what_the_decoder_gets(adapters, kind):
    adapter = adapters[kind]
    codes = adapter.encode([noise(6 * adapter.hop_length)])[0]
    tables = adapter.codebooks
    assert [len(table) for table in tables] == list(adapter.codebook_sizes)
    summed = sum(table[line] for table, line in zip(tables, codes.numpy()))
    quantizer = adapter.model.quantizer
    with torch.no_grad():
        if kind == "encodec":
            latent = quantizer.decode(codes[:, None])
        elif kind == "dac":
            latent = quantizer.from_codes(codes[None])[0]
        else:
            latent = quantizer.decode(codes[None])
    np.testing.assert_allclose(summed.T, latent[0].numpy(), rtol=1e-4, atol=1e-5)


def test_units_alone_cannot_be_decoded(adapters):
    with pytest.raises(ValueError, match="has no decoder"):
        adapters["units"].decode([torch.zeros(1, 3, dtype=torch.long)])


def test_units_are_those_of_the_codec_of_units(adapters):
    wav = noise(8000)
    units = adapters["units"].encode([wav])[0]
    torch.testing.assert_close(units, adapters["hubert_units"].encode([wav])[0])


def test_each_source_is_recognized_by_its_configuration(adapters):
    found = {kind: adapter.name for kind, adapter in adapters.items()}
    assert found == {kind: kind for kind in MAKERS} | {
        "speechtokenizer": "codec",
        "stock-encodec": "codec",
        "hubert_units": "codec",
        "units": "units",
    }


def test_an_adapter_can_be_forced(sources):
    assert load_adapter(sources["encodec"], "encodec").name == "encodec"
    with pytest.raises(ValueError, match="mimi"):
        load_adapter(sources["speechtokenizer"], "mimi")
    with pytest.raises(ValueError, match="unknown adapter 'mp3'; expected one of"):
        load_adapter(sources["encodec"], "mp3")


def test_what_no_adapter_takes_is_refused_with_the_list(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no adapter takes") as refused:
        load_adapter(file)
    assert all(name in str(refused.value) for name in all_adapters())


def test_a_model_whose_codes_need_levels_beside_them_is_refused(tmp_path):
    save_codec("encodec", tmp_path, normalize=True)
    with pytest.raises(ValueError, match="overlapping chunks"):
        load_adapter(tmp_path)


def test_a_damaged_directory_is_refused(tmp_path):
    save_codec("encodec", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match="is no encodec"):
        load_adapter(tmp_path)
