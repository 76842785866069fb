"""Text2Speech: speak a text in the voice of a prompt.

The USLM's directory holds ESPnet's `config.yaml` and checkpoints; beside them
`codec.yaml` may name the codec that made its codes (`codec: SOURCE`: a directory or
file, relative to `codec.yaml` or absolute, or a name that `AudioCoding` takes), and
`decode.yaml` may hold the model's own decoding options (see `decode_defaults`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_st.checkpoints.loading import check_kind, find_codec, load_strictly
from espnet_st.checkpoints.sources import model_files
from espnet_st.checkpoints.uslm_release import is_release, load_uslm
from espnet_st.codes import one_utterance
from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.decode_defaults import read_defaults
from espnet_st.inference.decode_options import DEFAULTS
from espnet_st.inference.requests import TRUNCATED, Request, ended_at_once
from espnet_st.inference.text import TextTokens
from espnet_st.uslm.decoding.options import DecodingOptions
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.decoding.sampling import derive_seed
from espnet_st.uslm.decoding.synthesizer import SynthesisResult
from espnet_st.uslm.decoding.weight_precision import set_weight_precision
from espnet_st.uslm.uslm import USLM

SILENCE = 1e-3
"""Peak below which a prompt counts as silent: -60 dB of full scale."""
PART = 1_000_003
"""Distance between the numbers of the seeds of a text's parts."""


class Text2Speech:
    """A trained USLM and its codec.

    Args:
        train_config: The `config.yaml` of the training run, or that name in the
            directory of an official release, which has none.
        model_file: Its checkpoint; by default the best one beside the config.
        codec: The codec, or what `AudioCoding.from_pretrained` takes; by default what
            `codec.yaml` beside the config names.
        device: Where to run.
        dtype: Of the weights: `float32`, or for speed `bfloat16` or `int8`, see
            `uslm.decoding.weight_precision`.
        seed: Of the draws.
        max_tokens: A text of more tokens is cut at punctuation into parts, spoken with
            the same prompt and concatenated; 0 never cuts.
        batch_size: Parts spoken at once, at most.
        **options: Those of `DecodingOptions` but seeds: temperature, top_k,
            top_p, ras_window, ras_threshold, cfg_scale, align_scale, nbest,
            minlenratio, maxlenratio, ar_prompt. One that is not given is as
            `decode.yaml` beside the config says, else as in that class.

    Raises:
        ValueError: If a file is missing or does not fit, or an option is out of range.
    """

    def __init__(
        self,
        train_config: str | Path,
        model_file: str | Path | None = None,
        codec: str | Path | AudioCoding | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        seed: int = 0,
        max_tokens: int = 250,
        batch_size: int = 16,
        **options: Any,
    ) -> None:
        train_config = Path(train_config)
        options = DEFAULTS | read_defaults(train_config.parent) | options
        DecodingOptions(**options).check()
        config, state = load_uslm(train_config, model_file)
        if not isinstance(codec, AudioCoding):
            codec = AudioCoding.from_pretrained(
                codec or find_codec(train_config.parent), device
            )
        self.codec = codec
        conf = config["tts_conf"]
        if conf.get("codebooks") is not None:
            # The checkpoint holds them; the file they came from may be gone.
            conf = conf | dict(codebooks=codec.codebooks)
        self.tts = USLM(idim=len(config["token_list"]), odim=config["odim"], **conf)
        load_strictly(self.tts, state, "tts.")
        self.tts.eval().requires_grad_(False).to(device)
        ours = (self.tts.n_q, self.tts.codebook_size)
        if ours != (codec.n_q, codec.codebook_size):
            raise ValueError(
                f"the USLM speaks {ours[0]} layers of {ours[1]} codes, the codec "
                f"{codec.n_q} of {codec.codebook_size}: give the codec of its codes"
            )
        set_weight_precision(self.tts, dtype)
        self.tokens = TextTokens(config)
        self.device = device
        self.seed = seed
        self.max_tokens = max_tokens
        self.batch_size = batch_size
        self.options = options

    @classmethod
    def from_pretrained(
        cls, model_tag: str | Path | None = None, **options: Any
    ) -> Text2Speech:
        """Load the USLM of an experiment directory, or of another source.

        Args:
            model_tag: Also the directory of an official release, which comes without
                its codec: give it; an archive made by ESPnet's `pack`, a name in
                ESPnet's model zoo, or an archive's URL; None if `options` name the
                files.
            **options: As of the class.

        Raises:
            ValueError: If it is none of these.
        """
        if model_tag is None:
            return cls(**options)
        if is_release(Path(model_tag)):
            return cls(Path(model_tag) / "config.yaml", **options)
        files = model_files(model_tag)
        if files.task:
            check_kind({}, "tts", "uslm", model_tag, files.task)
        model_file = options.pop("model_file", None) or files.checkpoint
        return cls(files.config, model_file, **options)

    @property
    def fs(self) -> int:
        """Give the sample rate in Hz, by ESPnet's name."""
        return self.codec.sample_rate

    def __call__(
        self,
        text: str | np.ndarray | torch.Tensor,
        speech: np.ndarray | torch.Tensor | str | Path | None = None,
        prompt_text: str | None = None,
        sample_rate: int | None = None,
        prompt_codes: torch.Tensor | np.ndarray | None = None,
        decode_conf: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Speak a text.

        Args:
            text: The text, or its token ids (S,).
            speech: Speech of the voice, some 3 seconds: (N,), or an audio file.
                Without it the voice is random.
            prompt_text: What `speech` says. Without it only the NAR model gets the
                voice.
            sample_rate: Hz of `speech`; the codec's by default; a file knows its own.
            prompt_codes: The voice as codes (n_q, T), instead of `speech`.
            decode_conf: Options in ESPnet's form.
            **options: Decoding settings that replace the object's.

        Returns:
            `wav`: (N',) float32 at `fs`; `codes`: (n_q, T); `score` and `truncated`
            as of `uslm.decoding.SynthesisResult`.

        Raises:
            ValueError: If text or voice cannot be used, or no sound came out.
        """
        prompt = self.prompt(speech, prompt_text, sample_rate, prompt_codes)
        request = Request("text", self.parts(text), prompt, self.seed)
        options = self.options | dict(decode_conf or {}, **options)
        result = self.synthesize([request], **options)[0]
        if result.codes.shape[1] == 0:
            raise ended_at_once(prompt, options["ar_prompt"])
        if result.truncated:
            logging.warning("%r %s", text, TRUNCATED)
        return dict(wav=self.codec.decode(result.codes), **vars(result))

    def parts(self, text: str | np.ndarray | torch.Tensor) -> list[torch.Tensor]:
        """Convert a text to token ids, in parts of at most `max_tokens`.

        Args:
            text: The text, or its token ids, which stay whole.

        Returns:
            Token ids (S_i,).

        Raises:
            ValueError: If there is nothing to speak.
        """
        if isinstance(text, str):
            return self.tokens.parts(text, self.max_tokens)
        return [torch.as_tensor(text).long().cpu()]

    def prompt(
        self,
        speech: np.ndarray | torch.Tensor | str | Path | None = None,
        text: str | None = None,
        sample_rate: int | None = None,
        codes: torch.Tensor | np.ndarray | None = None,
    ) -> Prompt | None:
        """Make a prompt of a voice.

        Args:
            speech: As of the call.
            text: What the voice says, `prompt_text` of the call.
            sample_rate: As of the call.
            codes: `prompt_codes` of the call.

        Returns:
            The prompt; None without a voice.

        Raises:
            ValueError: If there are two voices, or a text without one, or the voice
                cannot be read.
        """
        if speech is not None and codes is not None:
            raise ValueError("a voice by speech and by prompt_codes: give one of them")
        if isinstance(speech, (str, Path)):
            if sample_rate is not None:
                raise ValueError(f"sample_rate {sample_rate} of a file: it has its own")
            speech, sample_rate = read_audio(str(speech))
        if speech is not None:
            wav = prepare_audio(speech, sample_rate or self.fs, self.fs)
            if float(wav.abs().max()) < SILENCE:
                logging.warning("the prompt is silent: the voice is random")
            codes = self.codec.encode(wav)
        ids = None if text is None or not text.strip() else self.tokens(text)
        if codes is not None:
            return Prompt(ids, one_utterance(codes))
        if ids is not None:
            raise ValueError(f"prompt_text {text!r} of no voice: give speech, too")
        return None

    def synthesize(
        self, requests: Sequence[Request], **options: Any
    ) -> list[SynthesisResult]:
        """Speak requests, `batch_size` parts at once, and concatenate their parts.

        Args:
            requests: What to speak.
            **options: Decoding settings that replace the object's.

        Returns:
            A result for each request: its codes on the CPU, none if one of its parts
            ended at once; the mean score of its parts; whether one of them was cut.

        Raises:
            ValueError: If any of them cannot be spoken.
        """
        rows = [
            (part, request.prompt, derive_seed(request.seed, number * PART))
            for request in requests
            for number, part in enumerate(request.parts)
        ]
        results: list[SynthesisResult] = []
        for start in range(0, len(rows), self.batch_size):
            texts, prompts, seeds = zip(*rows[start : start + self.batch_size])
            # A caller's autocast would change codes.
            with torch.autocast(torch.device(self.device).type, enabled=False):
                results += self.tts.synthesize(
                    texts, prompts, seeds=seeds, **self.options | options
                )
        parts = iter(results)
        return [
            _concatenate([next(parts) for _ in request.parts]) for request in requests
        ]


def _concatenate(parts: list[SynthesisResult]) -> SynthesisResult:
    """Make one result of the results of a text's parts."""
    codes = torch.cat([part.codes for part in parts], dim=1).cpu()
    if min(part.codes.shape[1] for part in parts) == 0:
        codes = codes[:, :0]
    score = sum(part.score for part in parts) / len(parts)
    return SynthesisResult(codes, score, any(part.truncated for part in parts))
