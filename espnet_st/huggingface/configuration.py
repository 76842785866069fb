"""What builds a codec, in the words of `transformers`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from json import dumps, loads
from typing import Any

import torch
from transformers import PretrainedConfig

from espnet_st.checkpoints.hugging_face import MODEL_TYPE, conf_from_hugging_face
from espnet_st.codec.generator import Generator


class SpeechTokenizerConfig(PretrainedConfig):
    """Configuration of a `SpeechTokenizerModel`; the paper's model by default.

    Args:
        sampling_rate: Hz.
        dimension: Channels of a latent frame, D; also called `hidden_size`.
        semantic_dimension: Width of the teacher's features (or number of its units).
        num_quantizers: Layers of codes.
        codebook_size: Entries of each codebook.
        encoder: One of `codec.registry.ENCODERS`.
        encoder_conf: Options of the encoder.
        decoder: One of `codec.registry.DECODERS`.
        decoder_conf: Options of the decoder.
        quantizer_conf: Other options of `codec.quantizer.ResidualVectorQuantizer`.
        kwargs: Options of every configuration of `transformers`.
    """

    model_type = MODEL_TYPE
    attribute_map = {"hidden_size": "dimension"}

    def __init__(
        self,
        sampling_rate: int = 16000,
        dimension: int = 1024,
        semantic_dimension: int = 768,
        num_quantizers: int = 8,
        codebook_size: int = 1024,
        encoder: str = "seanet",
        encoder_conf: Mapping[str, Any] | None = None,
        decoder: str = "seanet",
        decoder_conf: Mapping[str, Any] | None = None,
        quantizer_conf: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        self.sampling_rate = sampling_rate
        self.dimension = dimension
        self.semantic_dimension = semantic_dimension
        self.num_quantizers = num_quantizers
        self.codebook_size = codebook_size
        self.encoder = encoder
        self.encoder_conf = encoder_conf
        self.decoder = decoder
        self.decoder_conf = decoder_conf
        self.quantizer_conf = quantizer_conf
        super().__init__(**kwargs)

    @classmethod
    def from_dict(
        cls, config_dict: dict[str, Any], **kwargs: Any
    ) -> SpeechTokenizerConfig:
        """Make a configuration of what a `config.json` holds.

        Raises:
            ValueError: If it is of another model, or an option is missing or wrong.
        """
        conf_from_hugging_face(config_dict)
        return super().from_dict(config_dict, **kwargs)

    @property
    def generator_conf(self) -> dict[str, Any]:
        """Arguments of `codec.generator.Generator`.

        Raises:
            ValueError: If an option is wrong.
        """
        return conf_from_hugging_face(self.to_dict())

    @property
    def audio_channels(self) -> int:
        """Channels of a waveform."""
        return 1

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return _hop_length(dumps(self.generator_conf, sort_keys=True))

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sampling_rate / self.hop_length


@lru_cache
def _hop_length(conf: str) -> int:
    with torch.device("meta"):
        return Generator(**loads(conf)).hop_length
