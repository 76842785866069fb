"""Speech tokens in ESPnet's SpeechLM: its discrete audio with one more codec choice.

Importing this module adds it to ESPnet's jobs, as `registry.register` does later on.

ESPnet's own way to a codec pads a batch, and in training hands over waveforms and codec
in half precision; either gives other codes than those that a signal has alone.
"""

from __future__ import annotations

import numpy as np
import torch
from espnet2.speechlm.model.speechlm import speechlm_job
from espnet2.speechlm.model.speechlm.multimodal_io.audio import DiscreteAudioIO
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_st.codes import pad_codes, to_feats
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.masks import valid_mask

CHOICE = "SpeechTokenizer"
"""The codec choice that this plugin adds."""


class SpeechLMAudioIO(DiscreteAudioIO):
    """ESPnet's `DiscreteAudioIO` that also knows `codec_choice: SpeechTokenizer`.

    With that choice `codec_hf_model_tag` is whatever `AudioCoding.from_pretrained`
    takes; vocabulary, frames and shapes are those of the choice `ESPnet`, and each
    signal has the codes that it has alone, whatever the batch and the type in which the
    language model computes. The codec is frozen, in float32, and neither among the
    parameters nor in checkpoints. Other choices are ESPnet's.
    """

    def _init_codec(
        self,
        codec_choice: str | None = None,
        codec_hf_model_tag: str | None = None,
        codec_max_token_per_frame: int = 8,
    ) -> None:
        """Load the codec, and set what describes its tokens.

        Raises:
            ValueError: If no codec is named, it cannot be loaded, or no layer of it is
                asked for.
        """
        if codec_choice != CHOICE:
            super()._init_codec(
                codec_choice, codec_hf_model_tag, codec_max_token_per_frame
            )
            return
        if codec_hf_model_tag is None:
            raise ValueError(
                f"codec_choice {CHOICE} needs codec_hf_model_tag: a directory, a "
                "packed zip or a model's name"
            )
        if codec_max_token_per_frame < 1:
            raise ValueError(
                f"codec_max_token_per_frame is {codec_max_token_per_frame}; expected "
                "at least 1"
            )
        codec = AudioCoding.from_pretrained(codec_hf_model_tag, str(self.device))
        self.codec_model = codec  # no module: not to be trained, rounded or saved
        self.codec_n_streams = min(codec.n_q, codec_max_token_per_frame)
        self.codec_vocab_size = [codec.codebook_size] * self.codec_n_streams
        self.codec_sample_rate = codec.sample_rate
        self.codec_frame_shift = codec.hop_length
        self.codec_frame_per_second = codec.sample_rate // codec.hop_length

    def preprocess(
        self, data: tuple[np.ndarray, int]
    ) -> tuple[np.ndarray, tuple[int, np.ndarray], np.ndarray]:
        """Prepare one waveform; see ESPnet's class.

        Samples are handed on as the bits of float32 in integers, which no trainer
        rounds to half precision, as it does with floats.
        """
        places, (length, wav), weights = super().preprocess(data)
        if self.codec_choice == CHOICE:
            wav = np.ascontiguousarray(wav, np.float32).view(np.int32)
        return places, (length, wav), weights

    def encode_batch(self, data: Tensor, lengths: Tensor) -> Tensor:
        """Encode a padded batch.

        Args:
            data: Samples (B, N, 1): what `preprocess` hands on, or floats.
            lengths: Samples of each (B,). A last frame that is not full is left out.

        Returns:
            Token ids (B, T, streams); `<codec_layer{q}_pad>` where a signal has ended.

        Raises:
            ValueError: If a signal has NaN or infinite samples or there are several
                channels.
        """
        if self.codec_choice == CHOICE:
            whole = data.dtype == torch.int32
            data = data.view(torch.float32) if whole else data.float()
        return super().encode_batch(data, lengths)

    def _codec_encode_batch(self, data: Tensor, length: Tensor) -> Tensor:
        """Encode (B, 1, N) into codes (B, T, streams), -1 where a signal has ended."""
        if self.codec_choice != CHOICE:
            return super()._codec_encode_batch(data, length)
        if data.shape[1] != 1:
            raise ValueError(f"audio of {data.shape[1]} channels; expected one")
        counts, streams = length.tolist(), self.codec_n_streams
        shape = len(counts), max(counts) // self.frame_shift, streams
        tokens = torch.full(shape, -1, device=data.device)
        heard = [i for i, count in enumerate(counts) if count]
        if heard:
            codec = self.codec_model.to(data.device)
            found = codec.encode_batch([data[i, 0, : counts[i]] for i in heard])
            codes, frames = pad_codes([one[:streams] for one in found])
            codes = codes.masked_fill(~valid_mask(frames, shape[1]), -1)
            tokens[heard] = to_feats(codes).to(data.device)
        return tokens

    def _codec_decode_batch(
        self, codes: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode codes (B, T, streams) into (B, 1, N), 0 where a signal has ended."""
        if self.codec_choice != CHOICE:
            return super()._codec_decode_batch(codes, lengths)
        counts = lengths.clamp_min(0)
        wavs = [torch.zeros(0)] * len(codes)
        spoken = counts.nonzero()[:, 0].tolist()
        rows = [codes[i, : counts[i]].t() for i in spoken]
        codec = self.codec_model.to(codes.device)
        for i, wav in zip(spoken, codec.decode_batch(rows)):
            wavs[i] = wav
        padded = pad_sequence(wavs, batch_first=True)[:, None]
        return padded.to(codes.device), counts * self.frame_shift


speechlm_job._multimodal_ios["discrete_audio"] = SpeechLMAudioIO
