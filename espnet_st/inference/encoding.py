"""Codes of what a user has: audio is encoded, batch by batch, and codes are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from espnet_st.data.corpus import Utterance
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_files import holds_codes, read_codes
from espnet_st.inference.jobs import Skipped, tensor_digest
from espnet_st.inference.resynthesis import call_each

TABLES = ("codes.scp", "wav.scp")
"""Names of tables in a directory of codes or audio, see `data.inputs`."""

CODES = (".npy",)
"""Ends of the names of files of codes."""


def codes_of_source(codec: AudioCoding, source: str) -> Tensor:
    """Read the codes (n_q, T) of a source, or encode its audio.

    Raises:
        ValueError: If it can be read neither as codes nor as audio.
    """
    if holds_codes(source):
        return read_codes(source)
    return codec.encode(Utterance(source).load(codec.sample_rate))


class CodesOfInputs:
    """Gives the codes of inputs, in the form of `resynthesis.decode_set`.

    Args:
        codec: Encodes audio.
        inputs: Audio or codes (see `code_files.holds_codes`), by key.
        layers: How many of the first layers to give; all by default.
    """

    def __init__(
        self,
        codec: AudioCoding,
        inputs: Mapping[str, Utterance],
        layers: int | None = None,
    ) -> None:
        if layers is not None and not 1 <= layers <= codec.n_q:
            raise ValueError(f"layers 1-{layers}; the codec has {codec.n_q}")
        self._codec, self._inputs, self._layers = codec, inputs, layers
        self._coded = {key for key, one in inputs.items() if holds_codes(one.source)}
        self._samples: dict[str, int] = {}

    def __call__(self, keys: Sequence[str], skipped: Skipped) -> dict[str, Tensor]:
        """Give the codes (k, T) of a batch; note in `skipped` what cannot be read."""
        coded = [key for key in keys if key in self._coded]
        codes = call_each(self._read, coded, skipped)
        rate = self._codec.sample_rate
        others = [key for key in keys if key not in self._coded]
        wavs = call_each(lambda key: self._inputs[key].load(rate), others, skipped)
        self._samples |= {key: len(wav) for key, wav in wavs.items()}
        codes |= zip(wavs, self._codec.encode_batch(list(wavs.values())), strict=True)
        return {key: one[: self._layers] for key, one in codes.items()}

    def _read(self, key: str) -> Tensor:
        codes, n_q = read_codes(self._inputs[key].source), self._codec.n_q
        if len(codes) > n_q:
            raise ValueError(
                f"codes (n_q, T) of {len(codes)} layers; the codec has {n_q}: are "
                "these axes the other way round?"
            )
        return codes

    def frames(self, key: str) -> int:
        """Give the frames of an input, of audio about."""
        if key in self._coded:
            return self._read(key).shape[1]
        samples = self._inputs[key].estimate_samples(self._codec.sample_rate)
        return samples // self._codec.hop_length

    def samples(self, key: str) -> int | None:
        """Give the samples of audio that was encoded; None of codes."""
        return self._samples.get(key)

    def describe(self, key: str) -> str:
        """Say what an input is, for `Job.resume`."""
        if key in self._coded:
            try:
                return tensor_digest(self._read(key))
            except ValueError:  # reading will name it
                return ""
        return self._inputs[key].identity()
