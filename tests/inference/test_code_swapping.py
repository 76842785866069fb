import pytest
import torch

from espnet_st.codes import CodesWriter
from espnet_st.inference import voice_conversion
from espnet_st.inference.code_swapping import fit_length, parse_layers, swap_layers


def codes(n_q, n_frames, offset=0):
    return torch.arange(n_q * n_frames).reshape(n_q, n_frames) + offset


def test_long_reference_is_cut():
    reference = codes(4, 7, 100)
    mixed = swap_layers(codes(4, 5), reference, 4)
    assert torch.equal(mixed[:1], codes(4, 5)[:1])
    assert torch.equal(mixed[1:], reference[1:, :5])


def test_short_reference_goes_round():
    mixed = swap_layers(codes(3, 5), codes(3, 2, 100), 3)
    assert mixed[1].tolist() == [102, 103, 102, 103, 102]
    assert mixed[2].tolist() == [104, 105, 104, 105, 104]


def test_only_the_layers_asked_for_are_there():
    assert swap_layers(codes(8, 5), codes(8, 5), 4).shape == (4, 5)


def test_itself_as_reference_gives_itself():
    assert torch.equal(swap_layers(codes(8, 5), codes(8, 5), 8), codes(8, 5))


def test_refusals():
    with pytest.raises(ValueError, match="same n_q"):
        swap_layers(codes(8, 5), codes(4, 5), 4)
    with pytest.raises(ValueError, match="expected 2 to 4"):
        swap_layers(codes(4, 5), codes(4, 5), 5)
    with pytest.raises(ValueError, match="no frames"):
        fit_length(codes(2, 0), 3)


def test_layers_as_written():
    assert [parse_layers(text, 8) for text in ("2", "2-4", "2:8")] == [2, 4, 8]
    for text in ("1-3", "3-4", "2-9", "2-1", "all"):
        with pytest.raises(ValueError, match="Layers"):
            parse_layers(text, 8)


class LoudCodec:
    """Decodes to a constant of as many samples as there are layers times frames."""

    sample_rate = 16000

    def decode_batch(self, batch):
        return [self.decode(one) for one in batch]

    def decode(self, one):
        if one.max() >= 900:
            raise ValueError("codes out of range")
        return torch.full((one.numel(),), 0.1)


def test_job_names_what_it_skips_and_resumes(tmp_path, caplog):
    with CodesWriter(tmp_path / "codes") as writer:
        writer["a"], writer["b"] = codes(8, 5), codes(8, 3, 50)
        writer["wild"] = codes(8, 5, 900)
    utt2ref = tmp_path / "utt2ref"
    utt2ref.write_text("a b\nb absent\nwild a\n")
    output = tmp_path / "out"

    def run():
        voice_conversion.convert_set(
            LoudCodec(),
            str(tmp_path / "codes/codes.scp"),
            str(utt2ref),
            str(output),
            voice_conversion.conversion_by_swapping(4),
            8,
        )

    run()
    assert (output / "wav.scp").read_text() == f"a {output}/wav/a.wav\n"
    assert "no codes of absent" in caplog.text
    assert "wild" in caplog.text
    first = (output / "wav/a.wav").stat().st_mtime_ns
    run()
    assert (output / "wav/a.wav").stat().st_mtime_ns == first
    assert (output / "wav.scp").read_text() == f"a {output}/wav/a.wav\n"
