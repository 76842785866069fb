"""What codecs of `transformers` have in common: a directory, one signal at a time."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from espnet_st.codes import check_codes, one_utterance
from espnet_st.data.audio import prepare_audio
from espnet_st.slmtokbench.adapters.base import Adapter, fit_length


def model_type(source: Path) -> str | None:
    """Read `model_type` of a directory's `config.json`; None without it."""
    config = source / "config.json"
    if not config.is_file():
        return None
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        return None
    found = content.get("model_type") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


class HuggingFaceAdapter(Adapter):
    """A codec that `save_pretrained` of `transformers` wrote to a directory.

    Signals are encoded one by one, so that no codec sees the padding of a batch.

    Attributes:
        architecture: Class of `transformers`.
        whole_frames: Whether signals are filled up with silence to whole frames.
    """

    architecture: ClassVar[str]
    whole_frames: ClassVar[bool] = True

    def __init__(self, source: str, device: str = "cpu"):
        super().__init__(source, device)
        import transformers
        from safetensors import SafetensorError

        if not hasattr(transformers, self.architecture):
            raise ValueError(
                f"transformers {transformers.__version__} has no {self.architecture}: "
                "install a newer one"
            )
        if not Path(source, "config.json").is_file():
            raise ValueError(f"{source} is no directory of {self.name}: no config.json")
        loader = getattr(transformers, self.architecture)
        try:
            self.model: Any = loader.from_pretrained(source, local_files_only=True)
        except (
            OSError,
            RuntimeError,
            SafetensorError,
            TypeError,
            ValueError,
        ) as error:
            raise ValueError(f"{source} is no {self.name}: {error}") from error
        self.model.eval().requires_grad_(False).to(device)
        self.config: Any = self.model.config

    @classmethod
    def recognizes(cls, source: Path) -> bool:
        """Tell by `model_type` in `config.json`."""
        return model_type(source) == cls.name

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.config.sampling_rate)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return int(self.config.hop_length)

    @torch.no_grad()
    def encode(
        self, wavs: Sequence[np.ndarray | Tensor], sample_rate: int | None = None
    ) -> list[Tensor]:
        """Encode waveforms one by one, see `Adapter.encode`."""
        rate, found = sample_rate or self.sample_rate, []
        for wav in wavs:
            ready = prepare_audio(wav, rate, self.sample_rate)
            if self.whole_frames:
                frames = -(-len(ready) // self.hop_length)
                ready = fit_length(ready, frames * self.hop_length)
            codes = self.encode_one(ready[None, None].to(self.device))
            found.append(codes.long().cpu())
        return found

    @torch.no_grad()
    def decode(self, codes: Sequence[np.ndarray | Tensor]) -> list[Tensor]:
        """Decode codes of the first layers one by one, see `Adapter.decode`."""
        found = []
        for one in codes:
            ready = one_utterance(one)
            check_codes(ready, max(self.codebook_sizes))
            if ready.dim() != 2 or len(ready) > self.n_q or not ready.shape[1]:
                raise ValueError(
                    f"codes have shape {tuple(ready.shape)}; expected (k, T) with k "
                    f"from 1 to {self.n_q}, and T at least 1"
                )
            wav = self.decode_one(ready[None].to(self.device))
            wav = wav.reshape(-1, wav.shape[-1]).mean(0).float().cpu()
            found.append(fit_length(wav, ready.shape[1] * self.hop_length))
        return found

    @abstractmethod
    def encode_one(self, wav: Tensor) -> Tensor:
        """Encode a waveform (1, 1, N) to codes (n_q, T)."""

    @abstractmethod
    def decode_one(self, codes: Tensor) -> Tensor:
        """Decode codes (1, k, T) to a waveform (..., N)."""
