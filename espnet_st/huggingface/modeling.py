"""A codec as a model of `transformers`, of EnCodec's manners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel

from espnet_st.checkpoints.loading import check_state
from espnet_st.codec.folded import FoldedCopy
from espnet_st.codec.generator import Generator
from espnet_st.codec.ragged import decode_ragged, encode_ragged
from espnet_st.codes import batch_first, check_codes, layers_first, pad_codes
from espnet_st.data.audio import prepare_audio
from espnet_st.huggingface.configuration import SpeechTokenizerConfig
from espnet_st.huggingface.masks import lengths_of
from espnet_st.huggingface.outputs import (
    SpeechTokenizerDecoderOutput,
    SpeechTokenizerEncoderOutput,
    SpeechTokenizerOutput,
)
from espnet_st.masks import valid_mask


class SpeechTokenizerModel(PreTrainedModel):
    """A trained codec for those who train on its codes.

    `encode` and `decode` give what `AudioCoding` gives, for each signal of a padded
    batch as if it were alone. They carry no gradient and are the same in training and
    evaluation mode. What can be trained is `generator`, an ordinary module:
    `generator.decode(codes)` carries gradients to the decoder's weights.

    Args:
        config: Builds the codec, with random weights.
    """

    config_class = SpeechTokenizerConfig
    base_model_prefix = "speechtokenizer"
    main_input_name = "input_values"

    def __init__(self, config: SpeechTokenizerConfig):
        super().__init__(config)
        conf = config.generator_conf
        self.generator = Generator(**conf)
        self._folded = FoldedCopy(self.generator, conf)
        self.post_init()
        # Rounded entries would be other codes; encoder and decoder may be in bfloat16.
        # Set here, because older releases know no module without parameters.
        self._keep_in_fp32_modules_strict = {"quantizer"}

    def _init_weights(self, module: nn.Module) -> None:
        """Leave to a module how it starts."""

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Load a model, strictly; arguments are those of every model of that house.

        Raises:
            ValueError: If tensors are missing, unexpected or of another shape, the file
                is damaged, or the directory is of another model.
        """
        asked = kwargs.pop("output_loading_info", False)
        kwargs["ignore_mismatched_sizes"] = True  # for `_check` to refuse
        try:
            model, info = super().from_pretrained(
                pretrained_model_name_or_path,
                *args,
                output_loading_info=True,
                **kwargs,
            )
        except SafetensorError as error:
            raise ValueError(
                f"the tensors of {pretrained_model_name_or_path} are not readable: "
                f"{error}"
            ) from error
        model._check(info)
        model._restore_constants()
        return (model, info) if asked else model

    def _check(self, info: dict[str, Any]) -> None:
        """Refuse what would leave random weights in the model."""
        expected = dict(self.state_dict())
        found = {
            key: x for key, x in expected.items() if key not in info["missing_keys"]
        }
        found |= {key: torch.empty(0) for key in info["unexpected_keys"]}
        for key, shape, *_ in info["mismatched_keys"]:
            found[key] = torch.empty(shape, device="meta")
        check_state(expected, found)

    def _restore_constants(self) -> None:
        """Set what a model computes when it is built, and no checkpoint holds."""
        saved = self.generator.state_dict()
        buffers = dict(self.generator.named_buffers())
        if buffers.keys() - saved.keys():
            fresh = dict(Generator(**self.config.generator_conf).named_buffers())
            for name in buffers.keys() - saved.keys():
                buffers[name].data = fresh[name].to(buffers[name].device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Move or convert, but keep entries and constants in float32."""
        kept = {name: (x.dtype, x.data) for name, x in self.generator.named_buffers()}
        super()._apply(fn, recurse)
        for name, buffer in self.generator.named_buffers():
            dtype, values = kept[name]
            if buffer.dtype != dtype:
                buffer.data = values.to(buffer.device)
        return self

    @torch.no_grad()
    def encode(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        num_quantizers: int | None = None,
        return_dict: bool | None = None,
    ) -> SpeechTokenizerEncoderOutput | tuple[Tensor, ...]:
        """Encode waveforms; each gets the codes that it has alone.

        Args:
            input_values: (B, 1, N) or (B, N), floats at `config.sampling_rate`.
            padding_mask: 1 for samples and 0 for the padding behind them, (B, N) or
                (B, 1, N); by default all are samples.
            num_quantizers: How many layers of codes to give, from the first one on;
                all by default.
            return_dict: Whether to give an output or a tuple.

        Returns:
            `audio_codes` (B, n_q, T), T the frames of the longest one, and
            `audio_codes_mask` (B, T).

        Raises:
            ValueError: If a waveform is empty or has NaN or infinite samples, shapes do
                not fit, padding stands before samples, or there are no such layers.
        """
        n_q = self.config.num_quantizers if num_quantizers is None else num_quantizers
        if not 0 < n_q <= self.config.num_quantizers:
            raise ValueError(
                f"num_quantizers is {n_q}; expected 1 to {self.config.num_quantizers}"
            )
        shape = tuple(input_values.shape)
        if len(shape) == 3 and shape[1] == 1:
            input_values = input_values[:, 0]
        if input_values.dim() != 2 or 0 in shape:
            raise ValueError(
                f"input_values have shape {shape}; expected (B, 1, N) or (B, N), not "
                "empty"
            )
        lengths = lengths_of(padding_mask, input_values.shape, "padding_mask")
        rate = self.config.sampling_rate
        wavs = [
            prepare_audio(wav[:length], rate, rate)
            for wav, length in zip(input_values, lengths)
        ]
        found = encode_ragged(self._folded.get(), wavs)
        codes, frames = pad_codes([one[:n_q] for one in found])
        output = SpeechTokenizerEncoderOutput(
            audio_codes=batch_first(codes),
            audio_codes_mask=valid_mask(frames, codes.shape[-1])
            .long()
            .to(codes.device),
        )
        return self._given(output, return_dict)

    @torch.no_grad()
    def decode(
        self,
        audio_codes: Tensor,
        padding_mask: Tensor | None = None,
        audio_codes_mask: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> SpeechTokenizerDecoderOutput | tuple[Tensor, ...]:
        """Decode codes; each signal as if it were alone.

        Args:
            audio_codes: (B, k, T) of the first k layers.
            padding_mask: That of the waveforms, (B, N) or (B, 1, N): the result is cut
                to N samples, and 0 where it is 0.
            audio_codes_mask: 1 for frames and 0 for the padding behind them, (B, T); in
                place of `padding_mask` where there are no waveforms.
            return_dict: Whether to give an output or a tuple.

        Returns:
            `audio_values` (B, 1, T * hop_length), or (B, 1, N).

        Raises:
            ValueError: If codes are out of range, empty or of too many layers, or
                shapes do not fit.
        """
        if audio_codes.dim() != 3 or 0 in audio_codes.shape:
            raise ValueError(
                f"audio_codes have shape {tuple(audio_codes.shape)}; expected "
                "(B, n_q, T), not empty"
            )
        codes = layers_first(audio_codes)
        most = self.config.num_quantizers
        if len(codes) > most:
            raise ValueError(
                f"audio_codes have {len(codes)} layers; expected at most {most}"
            )
        frames, samples = self._ends(codes, padding_mask, audio_codes_mask)
        ragged = [codes[:, i, :count] for i, count in enumerate(frames)]
        for one in ragged:
            check_codes(one, self.config.codebook_size)
        wavs = decode_ragged(self._folded.get(), [one.long() for one in ragged])
        length = max(len(wav) for wav in wavs)
        if padding_mask is not None:
            length = padding_mask.shape[-1]
        audio = wavs[0].new_zeros(len(wavs), 1, length)
        for row, wav, count in zip(audio, wavs, samples):
            row[0, :count] = wav[:count]
        output = SpeechTokenizerDecoderOutput(audio_values=audio)
        return self._given(output, return_dict)

    def _ends(
        self, codes: Tensor, padding_mask: Tensor | None, codes_mask: Tensor | None
    ) -> tuple[list[int], list[int]]:
        """Find where each signal of codes (k, B, T) ends: in frames, in samples."""
        _, batch, length = codes.shape
        hop = self.config.hop_length
        if padding_mask is None:
            frames = lengths_of(codes_mask, (batch, length), "audio_codes_mask")
            return frames, [count * hop for count in frames]
        if codes_mask is not None:
            raise ValueError("padding_mask and audio_codes_mask: give one of them")
        expected = batch, padding_mask.shape[-1]
        samples = lengths_of(padding_mask, expected, "padding_mask")
        frames = [-(-count // hop) for count in samples]
        if max(frames) != length:
            raise ValueError(
                f"audio_codes have {length} frames of {hop} samples, and by the "
                f"padding_mask the longest signal has {max(samples)} samples: are they "
                "of the same batch?"
            )
        return frames, samples

    def forward(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        num_quantizers: int | None = None,
        audio_codes: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> SpeechTokenizerOutput | tuple[Tensor, ...]:
        """Encode and decode.

        Args:
            input_values: See `encode`.
            padding_mask: See `encode`.
            num_quantizers: See `encode`.
            audio_codes: Codes (B, k, T) to decode in place of those of the waveforms.
            return_dict: Whether to give an output or a tuple.

        Returns:
            `audio_codes`, `audio_values` (B, 1, N) and `audio_codes_mask`.

        Raises:
            ValueError: See `encode` and `decode`.
        """
        mask = None
        if padding_mask is None:
            padding_mask = torch.ones_like(input_values, dtype=torch.long)
        if audio_codes is None:
            encoded = self.encode(input_values, padding_mask, num_quantizers, True)
            encoded = cast(SpeechTokenizerEncoderOutput, encoded)
            audio_codes = cast(Tensor, encoded.audio_codes)
            mask = encoded.audio_codes_mask
        decoded = self.decode(audio_codes, padding_mask, return_dict=True)
        output = SpeechTokenizerOutput(
            audio_codes=audio_codes,
            audio_values=cast(SpeechTokenizerDecoderOutput, decoded).audio_values,
            audio_codes_mask=mask,
        )
        return self._given(output, return_dict)

    def _given(self, output: Any, return_dict: bool | None) -> Any:
        """Give an output, or its values as a tuple."""
        asked = self.config.return_dict if return_dict is None else return_dict
        return output if asked else output.to_tuple()
