"""The codec's decoder as a vocoder of ESPnet's TTS models.

`tts_inference` and `tts2_inference` take it by `--vocoder_file CODEC`, where CODEC is
what `AudioCoding.from_pretrained` takes, or a checkpoint beside its `config.yaml`. A
model whose features are `TTSFeatures` has its codec already, and needs no option.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet_st.codes import check_codes, from_feats
from espnet_st.frontend.tts import TTSFeatures
from espnet_st.inference.audio_coding import AudioCoding


class Vocoder(nn.Module):
    """Decode what a TTS model predicts.

    The codec is neither among the parameters nor in checkpoints; it computes in
    float32, whatever the TTS model does.

    Args:
        codec: What `AudioCoding.from_pretrained` takes, or a codec.
        device: Where to load a codec to.

    Raises:
        ValueError: If the codec cannot be loaded.
    """

    def __init__(
        self, codec: str | Path | AudioCoding, device: str | torch.device = "cpu"
    ) -> None:
        super().__init__()
        if not isinstance(codec, AudioCoding):
            codec = AudioCoding.from_pretrained(codec, str(device))
        self.codec = codec

    @property
    def fs(self) -> int:
        """Give the sample rate in Hz, by ESPnet's name."""
        return self.codec.sample_rate

    def forward(self, feats: Tensor) -> Tensor:
        """Decode one utterance.

        Args:
            feats: Integers are codes: (T,), semantic ones, or (T, k), of the first k
                layers. Floats are vectors (T, D), see `AudioCoding.decode_vectors`.

        Returns:
            (T * hop_length,) float32 at `fs`.

        Raises:
            ValueError: If there is no frame, or codes are out of range or of too many
                layers, or vectors of another width.
        """
        if feats.is_floating_point():
            return self.codec.decode_vectors(feats)
        if feats.dim() == 1:
            feats = feats[:, None]
        if feats.dim() != 2 or len(feats) == 0:
            raise ValueError(
                f"codes to decode have shape {tuple(feats.shape)}; expected (T,) or "
                "(T, k) with T at least 1: did the model end at once?"
            )
        codes = from_feats(feats[None])[:, 0]  # (k, T)
        check_codes(codes, self.codec.codebook_size)
        return self.codec.decode(codes)


def add_vocoder(task: Any) -> None:
    """Let an ESPnet task build our vocoder where its own function knows none.

    Args:
        task: A class with ESPnet's `build_vocoder_from_file`. A second call changes
            nothing.
    """
    stock = task.build_vocoder_from_file
    if getattr(stock.__func__, "takes_codecs", False):
        return

    def build_vocoder_from_file(
        cls: type,
        vocoder_config_file: str | Path | None = None,
        vocoder_file: str | Path | None = None,
        model: Any = None,
        device: str = "cpu",
    ) -> Any:
        features = getattr(model, "feats_extract", None)
        if vocoder_file is None and isinstance(features, TTSFeatures):
            return Vocoder(features.codec)
        if vocoder_file is None or str(vocoder_file).endswith(".pkl"):
            return stock.__func__(cls, vocoder_config_file, vocoder_file, model, device)
        return Vocoder(_load(vocoder_config_file, Path(vocoder_file), device))

    build_vocoder_from_file.takes_codecs = True  # type: ignore[attr-defined]
    task.build_vocoder_from_file = classmethod(build_vocoder_from_file)


def _load(config: str | Path | None, file: Path, device: str) -> AudioCoding:
    """Load a codec by what ESPnet's options for vocoders name."""
    if file.suffix == ".pth":
        config = config or file.parent / "config.yaml"
        return AudioCoding(config, file, str(device))
    if config is not None:
        raise ValueError(
            f"--vocoder_config {config} of --vocoder_file {file}, which has its own: "
            "leave it out"
        )
    return AudioCoding.from_pretrained(file, str(device))
