"""Codecs as models of `transformers`: `from_pretrained`, `encode`, `decode`.

Importing this room makes them known to `AutoConfig`, `AutoModel` and
`AutoFeatureExtractor`; nothing else of the package needs `transformers`.
"""

from __future__ import annotations

try:
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
except ImportError as error:
    raise ImportError(
        "the form of Hugging Face needs the package transformers: install "
        "espnet_st[teacher], or pip install transformers. AudioCoding reads its "
        "directories without it"
    ) from error
from transformers import EncodecFeatureExtractor

from espnet_st.huggingface.configuration import SpeechTokenizerConfig
from espnet_st.huggingface.modeling import SpeechTokenizerModel
from espnet_st.huggingface.outputs import (
    SpeechTokenizerDecoderOutput,
    SpeechTokenizerEncoderOutput,
    SpeechTokenizerOutput,
)

__all__ = [
    "SpeechTokenizerConfig",
    "SpeechTokenizerDecoderOutput",
    "SpeechTokenizerEncoderOutput",
    "SpeechTokenizerModel",
    "SpeechTokenizerOutput",
]

AutoConfig.register(
    SpeechTokenizerConfig.model_type, SpeechTokenizerConfig, exist_ok=True
)
AutoModel.register(SpeechTokenizerConfig, SpeechTokenizerModel, exist_ok=True)
AutoFeatureExtractor.register(
    SpeechTokenizerConfig, EncodecFeatureExtractor, exist_ok=True
)
