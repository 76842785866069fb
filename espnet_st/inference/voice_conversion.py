"""One-shot voice conversion: the content of one utterance in the voice of another.

Either by code swapping (paper, section 5.2), or by the NAR model of a USLM, which
writes the acoustic codes anew, prompted by the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_swapping import convert
from espnet_st.inference.resynthesis import decode_set
from espnet_st.uslm.decoding.synthesizer import Prompt, revoice

if TYPE_CHECKING:
    from espnet_st.inference.text2speech import Text2Speech

Mix = Callable[[str, str, torch.Tensor, torch.Tensor], torch.Tensor]
"""Names and codes (n_q, T) and (n_q, T') of source and reference to codes (k, T)."""


def swapping(last_layer: int) -> Mix:
    """Layers 2 to `last_layer` of the reference, the first of the source."""
    return lambda source, reference, content, voice: convert(content, voice, last_layer)


def by_nar(tts: Text2Speech, texts: dict[str, str]) -> Mix:
    """The NAR model completes the first layer of the source after the reference.

    Args:
        tts: The USLM.
        texts: What utterances say, as far as it is known; may be empty. The NAR model
            gets the words that there are, at the frames where they sound.
    """

    def mixed(source, reference, content, voice):
        said = [
            tts.tokens(texts[name]) if name in texts else None
            for name in (source, reference)
        ]
        prompt = Prompt(said[1], voice)
        return revoice(tts.tts, [content[0]], said[:1], [prompt])[0].cpu()

    return mixed


def convert_set(
    codec: AudioCoding,
    codes_scp: str,
    utt2ref: str,
    output_dir: str,
    mix: Mix,
    batch_size: int,
) -> None:
    """Convert all sources of `utt2ref` into `output_dir/wav`, and index them.

    Args:
        codec: decodes the mixed codes.
        codes_scp: codes of sources and references.
        utt2ref: source utterance to reference utterance.
        output_dir: where wavs and `wav.scp` go; what is there is not made again.
        mix: makes codes of both.
        batch_size: utterances decoded at once.
    """
    reader = CodesReader(codes_scp)
    references = read_table(utt2ref)

    def mixed(key: str) -> torch.Tensor:
        absent = [name for name in (key, references[key]) if name not in reader]
        if absent:
            raise ValueError(f"no codes of {' and '.join(absent)} in {codes_scp}")
        return mix(key, references[key], reader[key], reader[references[key]])

    decode_set(codec, references, mixed, output_dir, batch_size)
