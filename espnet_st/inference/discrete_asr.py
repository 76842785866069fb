"""Discrete ASR (asr2) straight from waveforms: a codec, its tokens, ESPnet's model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_tokens import CodeTokens


class DiscreteSpeech2Text:
    """Recognise speech with a model that reads tokens of a codec.

    A waveform becomes codes, these the tokens that the model was trained on, and these
    a text; nothing is written to files between. The result is that of `tokenize
    --format asr2` followed by ESPnet's `mt_inference`.

    Args:
        codec: The codec, or what `AudioCoding.from_pretrained` takes.
        tokens: The directory of tokens that the model was trained with.
        text2text: ESPnet's `espnet2.bin.mt_inference.Text2Text`, with the trained model
            and the options of its beam search.

    Raises:
        ValueError: If the codec or the model is not of these tokens.
    """

    def __init__(
        self, codec: AudioCoding | str | Path, tokens: str | Path, text2text: Any
    ) -> None:
        if not isinstance(codec, AudioCoding):
            codec = AudioCoding.from_pretrained(codec)
        self.codec = codec
        self.tokens = CodeTokens.load(tokens)
        self.tokens.check_codec(codec.codebooks)
        read = list(text2text.mt_train_args.src_token_list or [])
        if read != self.tokens.list:
            raise ValueError(
                f"the model reads {len(read)} source tokens, not the "
                f"{len(self.tokens.list)} of {tokens}: expected the directory whose "
                "tokens.txt was its --src_token_list"
            )
        self.text2text = text2text

    def __call__(
        self, speech: np.ndarray | Tensor, sample_rate: int | None = None
    ) -> list[tuple[str | None, list[str], list[int], Any]]:
        """Recognise one utterance.

        Args:
            speech: (N,), or with a second axis of channels, which are averaged.
            sample_rate: In Hz; the codec's by default.

        Returns:
            The best hypotheses as ESPnet gives them: text, tokens, their numbers, and
            the beam search's own object.

        Raises:
            ValueError: If the utterance is empty or has NaN or infinite samples.
        """
        text = self.tokens.to_text(self.codec.encode(speech, sample_rate))
        return self.text2text(torch.tensor(self.tokens.to_ids(text)))
