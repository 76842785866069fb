"""Reading and writing audio by Kaldi's index files, with names in every error."""

from __future__ import annotations

from pathlib import Path

import kaldiio
import numpy as np
import soundfile
import torch
from torchaudio.functional import resample


def read_index(path: str | Path) -> dict[str, str]:
    """Lines `key value...` of an index such as `wav.scp`, in order.

    Raises:
        ValueError: If the file is missing, a line has no value or a key comes twice.
    """
    if not Path(path).is_file():
        raise ValueError(f"no index file {path}")
    index: dict[str, str] = {}
    for number, line in enumerate(
        Path(path).read_text(encoding="utf-8").splitlines(), 1
    ):
        key, _, value = line.strip().partition(" ")
        if not value.strip():
            raise ValueError(f"{path}:{number}: {line!r} is not 'key value'")
        if key in index:
            raise ValueError(f"{path}:{number}: key {key} comes twice")
        index[key] = value.strip()
    return index


def read_audio(source: str) -> tuple[np.ndarray, int]:
    """Samples and rate of a file, or of a Kaldi pipe (`command |`).

    Returns:
        (N,) or (N, channels) float32 or integers, and Hz.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        if source.endswith("|"):
            rate, samples = kaldiio.load_mat(source)
            return samples, rate
        return soundfile.read(source, dtype="float32")
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"cannot read audio {source}: {error}") from error


def prepare_audio(
    wav: np.ndarray | torch.Tensor, sample_rate: int, target_rate: int
) -> torch.Tensor:
    """Mono float32 at the model's rate.

    Args:
        wav: (N,), (N, channels) or (channels, N); of two axes the shorter one holds
            channels, which are averaged. Integers are scaled by their type's range.
        sample_rate: Hz of `wav`.
        target_rate: Hz of the result.

    Returns:
        (N',).

    Raises:
        ValueError: If it is empty, has NaN or infinite samples, or more than two axes.
    """
    wav = torch.as_tensor(wav)
    if wav.dim() not in (1, 2) or wav.numel() == 0:
        raise ValueError(
            f"audio of shape {tuple(wav.shape)}; expected (N,) or two axes, not empty"
        )
    if not wav.is_floating_point():
        wav = wav.float() / -float(torch.iinfo(wav.dtype).min)
    wav = wav.float()
    if wav.dim() == 2:
        wav = wav.mean(0 if wav.shape[0] < wav.shape[1] else 1)
    if not torch.isfinite(torch.stack(wav.aminmax())).all():
        raise ValueError("audio has NaN or infinite samples: repair or remove the file")
    if sample_rate != target_rate:
        wav = resample(wav, sample_rate, target_rate)
    return wav


def write_wav(path: Path, wav: torch.Tensor, sample_rate: int) -> None:
    """Write (N,) as 16-bit PCM; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.wav")
    soundfile.write(partial, wav.cpu().numpy(), sample_rate, subtype="PCM_16")
    partial.replace(path)
