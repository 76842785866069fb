"""Make a codec of release size with random weights, ours and the official package's.

Random weights usually give latent frames that hardly differ. Here each layer keeps the
spread of its input, and the entries of the codebooks are latent frames and residuals of
audio, so that codes are as diverse as those of a trained codec.
"""

from __future__ import annotations

from pathlib import Path

import torch
import yaml
from speechtokenizer import SpeechTokenizer as Official
from torch import Tensor, nn
from torch.nn.utils import parametrize

from espnet_st.checkpoints.official_codec import conf_to_official, state_to_official
from espnet_st.codec.generator import Generator
from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.inference.audio_coding import AudioCoding

SIZE = {"strides": [2, 4, 5, 8], "n_filters": 64, "lstm_layers": 2}
CONF = {
    "sample_rate": 16000,
    "dimension": 1024,
    "semantic_dimension": 768,
    "encoder": "seanet",
    "encoder_conf": SIZE | {"bidirectional": True},
    "decoder": "seanet",
    "decoder_conf": SIZE,
    "quantizer_conf": {"n_q": 8, "codebook_size": 1024},
}


def read_directory(directory: str) -> list[Tensor]:
    """Read all .flac and .wav files below a directory at 16 kHz, sorted by name."""
    paths = sorted(
        p for p in Path(directory).rglob("*") if p.suffix in (".flac", ".wav")
    )
    return [prepare_audio(*read_audio(str(path)), 16000) for path in paths]


def noise(samples: int, seed: int) -> Tensor:
    """Make a signal (samples,) as varied as speech: tones and noise that change."""
    draw = torch.Generator().manual_seed(seed)
    steps = samples // 1000 + 2  # every 60 ms something else
    time = torch.arange(samples) / 1000
    which = time.long()

    def track(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(steps, generator=draw))[which]

    tone = torch.sin(6.283 / 16000 * track(80, 4000).cumsum(0))
    tone = tone + torch.sin(6.283 / 16000 * track(80, 4000).cumsum(0))
    hiss = torch.randn(samples, generator=draw)
    return tone * track(0, 0.2) + hiss * track(0, 0.1)


def make_generator(audio: list[Tensor], conf: dict = CONF) -> Generator:
    """Build a codec with random weights whose codebooks fit `audio`.

    Args:
        audio: Signals (N,) at 16 kHz, some of them of 4 s or more.
        conf: The `codec_conf` of the codec.
    """
    torch.manual_seed(0)
    generator = Generator(**conf)
    for module in generator.modules():
        if parametrize.is_parametrized(module, "weight"):
            assert isinstance(module, (nn.Conv1d, nn.ConvTranspose1d))
            with torch.no_grad():
                fan_in = module.weight[0].numel()
                if isinstance(module, nn.ConvTranspose1d):
                    fan_in = 2 * module.in_channels  # two frames meet in a sample
                module.weight = torch.randn_like(module.weight) * fan_in**-0.5
                if module.bias is not None:
                    module.bias.mul_(0.1)
    generator.eval().requires_grad_(False)
    with torch.inference_mode():
        wavs = [wav[: 4 * 16000] for wav in audio if len(wav) >= 4 * 16000]
        latent = torch.cat([generator.encoder(w[None, None]) for w in wavs], -1)
        residual = latent[0].t()
        for layer in generator.quantizer.layers:
            entries = layer.entries
            assert isinstance(entries, Tensor)
            chosen = torch.randperm(len(residual))[: len(entries)]
            # Shorter, so that they leave something for the next layer.
            entries[: len(chosen)] = 0.7 * residual[chosen]
            residual = residual - entries[torch.cdist(residual, entries).argmin(1)]
    return generator


def save(generator: Generator, directory: Path, conf: dict = CONF) -> None:
    """Write an experiment directory with this codec."""
    state = {f"codec.generator.{k}": v for k, v in generator.state_dict().items()}
    torch.save(state, directory / "latest.pth")
    config = {"codec": "speechtokenizer", "codec_conf": conf}
    (directory / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def make_official(generator: Generator, conf: dict = CONF) -> Official:
    """Build the official package's model with the same weights."""
    official = Official(conf_to_official(conf))
    official.load_state_dict(state_to_official(generator.state_dict(), generator))
    return official.eval().requires_grad_(False)


def load(directory: Path, dtype: str = "float32") -> AudioCoding:
    """Load our codec as a user does."""
    return AudioCoding.from_pretrained(directory, dtype=dtype)


class OneByOne:
    """Run the official package as it is used, one utterance at a time, by our names."""

    def __init__(self, official: Official):
        self.official = official

    @torch.inference_mode()
    def encode_batch(self, wavs: list[Tensor]) -> list[Tensor]:
        """Encode signals (N,) to codes (n_q, T)."""
        return [self.official.encode(wav[None, None])[:, 0] for wav in wavs]

    @torch.inference_mode()
    def decode_batch(self, items: list[Tensor]) -> list[Tensor]:
        """Decode codes (n_q, T) to signals (N,)."""
        return [self.official.decode(codes[:, None])[0, 0] for codes in items]


def load_all(directory: Path, audio: list[Tensor]) -> dict[str, OneByOne | AudioCoding]:
    """Build the same codec three times: official, ours, and ours in bfloat16.

    Args:
        directory: Where our codec is written.
        audio: As of `make_generator`.
    """
    generator = make_generator(audio)
    save(generator, directory)
    return {
        "official": OneByOne(make_official(generator)),
        "fp32": load(directory),
        "bf16": load(directory, "bfloat16"),
    }


def read_or_make(directory: str | None, count: int | None) -> list[Tensor]:
    """Read at most `count` utterances of a directory; without one, make 32 of noise."""
    if directory:
        return read_directory(directory)[:count]
    return [noise(16000 * (15 - i % 14), i) for i in range(32)][:count]
