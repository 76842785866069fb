"""One-shot voice conversion: the content of one utterance in the voice of another.

Either by code swapping (paper, section 5.2), or by the NAR model of a USLM, which
predicts the acoustic codes anew, prompted by the reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_st.codes import CodesReader
from espnet_st.data.kaldi import read_table
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_swapping import parse_layers, swap_layers
from espnet_st.inference.jobs import model_digest, tensor_digest, text_digest
from espnet_st.inference.resynthesis import codes_by_key, decode_set
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.uslm.decoding.prompts import Prompt

Conversion = Callable[[str, str, Tensor, Tensor], Tensor]
"""Keys and codes (n_q, T) and (n_q, T') of source and reference to codes (k, T)."""


def conversion_by_swapping(last_layer: int) -> Conversion:
    """Take layers 2 to `last_layer` from the reference, the first from the source."""

    def convert(
        source: str, reference: str, source_codes: Tensor, reference_codes: Tensor
    ) -> Tensor:
        return swap_layers(source_codes, reference_codes, last_layer)

    return convert


def conversion_by_nar(tts: Text2Speech, texts: Mapping[str, str]) -> Conversion:
    """Predict acoustic codes for the source's semantic ones, after the reference.

    Args:
        tts: The USLM.
        texts: Texts of utterances, as far as they are known; may be empty. The NAR
            model gets the texts that there are, at the frames that they take.
    """

    def convert(
        source: str, reference: str, source_codes: Tensor, reference_codes: Tensor
    ) -> Tensor:
        text, prompt_text = (
            tts.tokens(texts[key]) if key in texts else None
            for key in (source, reference)
        )
        prompt = Prompt(prompt_text, reference_codes)
        synthesizer = tts.tts.synthesizer
        return synthesizer.convert_voices([source_codes[0]], [text], [prompt])[0].cpu()

    return convert


def build_conversion(
    codec: AudioCoding,
    layers: str = "2-4",
    uslm: str | Path | None = None,
    texts: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> tuple[Conversion, dict[str, Any]]:
    """Make the way of converting that options choose.

    Args:
        codec: Of the codes.
        layers: Without a USLM: those of the reference, `2` or `2-k`.
        uslm: What `Text2Speech.from_pretrained` takes, for its NAR model.
        texts: With a USLM: what utterances say, as far as it is known.
        device: Where the USLM runs.

    Returns:
        The conversion, and what its results depend on, for a `Job`.

    Raises:
        ValueError: If layers or USLM cannot be used.
    """
    if uslm is None:
        last_layer = parse_layers(layers, codec.n_q)
        way: dict[str, Any] = {"method": "swap", "layers": last_layer}
        return conversion_by_swapping(last_layer), way
    texts = texts or {}
    tts = Text2Speech.from_pretrained(uslm, codec=codec, device=device)
    way = {"uslm": model_digest(tts.tts), "text": text_digest(json.dumps(dict(texts)))}
    return conversion_by_nar(tts, texts), {"method": "nar"} | way


def convert_set(
    codec: AudioCoding,
    codes_scp: str | Path,
    utt2ref: str | Path,
    output_dir: str | Path,
    convert: Conversion,
    batch_size: int,
    settings: Mapping[str, Any] | None = None,
    utt2src: str | Path | None = None,
) -> None:
    """Convert all pairs of `utt2ref` into `output_dir/wav`, and index them.

    Args:
        codec: Decodes the converted codes.
        codes_scp: Index of the codes of sources and references.
        utt2ref: Table of pairs and the keys of their references.
        output_dir: Where files and `wav.scp` go; files that are there are kept.
        convert: Makes codes of source and reference.
        batch_size: Utterances converted, decoded and written at once.
        settings: What all files depend on: the models and the way of converting.
        utt2src: Table of pairs and the keys of their sources; without it, a pair is
            named by its source.

    Raises:
        ValueError: If nothing could be converted, another job works in `output_dir`, or
            it was begun with other settings or input.
    """
    reader = CodesReader(codes_scp)
    references = read_table(utt2ref)
    sources = dict.fromkeys(references, "") if utt2src is None else read_table(utt2src)
    if unnamed := sorted(set(references) - set(sources)):
        raise ValueError(f"{utt2src} names no source of {unnamed[0]}, {utt2ref} has it")

    def names(key: str) -> tuple[str, str]:
        return sources[key] or key, references[key]

    def read(key: str) -> tuple[Tensor, Tensor]:
        pair = names(key)
        absent = [one for one in pair if one not in reader]
        if absent:
            raise ValueError(f"no codes of {' and '.join(absent)} in {codes_scp}")
        return reader[pair[0]], reader[pair[1]]

    def describe(key: str) -> str:
        try:
            pair = " ".join(map(tensor_digest, read(key)))
        except ValueError:  # converting will name it
            pair = ""
        return f"{references[key]} {pair}"

    decode_set(
        codec,
        references,
        codes_by_key(lambda key: convert(*names(key), *read(key))),
        lambda key: read(key)[0].shape[1],
        output_dir,
        batch_size,
        settings=settings,
        describe=describe,
    )
