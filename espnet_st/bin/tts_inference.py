"""Text2Speech: text in the voice of a prompt; as a command, whole sets.

The USLM's directory holds ESPnet's `config.yaml` and checkpoints; beside them
`codec.yaml` may name the codec that made its codes (`codec: directory`, relative to
the file or absolute).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from espnet2.utils.types import str2bool

from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.jobs import setup_logging
from espnet_st.bin.loading import load_strictly, read_config
from espnet_st.bin.speaking import speak_set
from espnet_st.bin.text import TextTokens
from espnet_st.bin.uslm_release import load_uslm
from espnet_st.uslm.decoding import Prompt
from espnet_st.uslm.uslm import USLM


class Text2Speech:
    """A trained USLM and its codec.

    Args:
        train_config: The `config.yaml` of the training run, or that name in the
            directory of an official release, which has none.
        model_file: Its checkpoint; by default the best one beside the config.
        codec: Directory of the codec, or the codec; by default what `codec.yaml`
            beside the config names.
        device: Where to run.
        temperature: Of the AR model's draws; 0 is greedy.
        top_k: Codes to draw from, 0 for all.
        top_p: Probability mass to draw from.
        minlenratio: Fewest frames per text token.
        maxlenratio: Most frames per text token.
        ar_prompt: Whether the prompt goes to the AR model too, as in the paper.
        seed: Of the draws.

    Raises:
        ValueError: If a file is missing or does not fit.
    """

    def __init__(
        self,
        train_config: str | Path,
        model_file: str | Path | None = None,
        codec: str | Path | AudioCoding | None = None,
        device: str = "cpu",
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        minlenratio: float = 0.0,
        maxlenratio: float = 20.0,
        ar_prompt: bool = True,
        seed: int = 0,
    ):
        train_config = Path(train_config)
        config, state = load_uslm(train_config, model_file)
        if not isinstance(codec, AudioCoding):
            codec = AudioCoding.from_pretrained(
                codec or _find_codec(train_config.parent), device
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
        self.tokens = TextTokens(config)
        self.device = device
        self.seed = seed
        self.options = dict(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            minlenratio=minlenratio,
            maxlenratio=maxlenratio,
            ar_prompt=ar_prompt,
        )

    @classmethod
    def from_pretrained(cls, directory: str | Path, **options) -> Text2Speech:
        """The USLM of an experiment directory or an official release.

        Options are as of the class; a release comes without its codec: give it.

        Raises:
            ValueError: If it is not one.
        """
        directory = Path(directory)
        if not directory.is_dir():
            raise ValueError(f"no directory {directory}: give that of a trained USLM")
        return cls(directory / "config.yaml", **options)

    @property
    def fs(self) -> int:
        """Sample rate in Hz, by ESPnet's name."""
        return self.codec.sample_rate

    def __call__(
        self,
        text: str,
        speech: np.ndarray | torch.Tensor | None = None,
        prompt_text: str | None = None,
        sample_rate: int | None = None,
        **options,
    ) -> dict[str, torch.Tensor]:
        """Speak a text.

        Args:
            text: What to say.
            speech: The voice to say it in (N,), some 3 seconds; without it the voice
                is left to chance.
            prompt_text: What `speech` says.
            sample_rate: Hz of `speech`; the codec's by default.
            **options: Sampling settings that replace the object's.

        Returns:
            `wav`: (N',) float32 at `fs`; `codes`: (n_q, T).

        Raises:
            ValueError: If text or speech cannot be used, or no sound came out.
        """
        prompt = None
        if speech is not None:
            prompt = self.prompt(self.codec.encode(speech, sample_rate), prompt_text)
        codes = self.tts.synthesize(
            [self.tokens(text)], [prompt], seeds=[self.seed], **self.options | options
        )[0].cpu()
        if codes.shape[1] == 0:
            raise ValueError("the model ended at once: try another seed or minlenratio")
        return dict(wav=self.codec.decode(codes), codes=codes)

    def prompt(self, codes: torch.Tensor, text: str | None) -> Prompt:
        """Make a prompt of codes (n_q, T) and the words they say.

        Raises:
            ValueError: If the words are missing.
        """
        if text is None:
            raise ValueError("speech without prompt_text: give the words it says")
        return Prompt(self.tokens(text), codes)


def _find_codec(directory: Path) -> Path:
    path = directory / "codec.yaml"
    if not path.is_file():
        raise ValueError(f"no {path} names the codec: pass codec (--codec) yourself")
    return path.parent / yaml.safe_load(path.read_text(encoding="utf-8"))["codec"]


def get_parser() -> argparse.ArgumentParser:
    """The command's options; `--config` gives their values in a YAML file."""
    parser = argparse.ArgumentParser(
        description="Speak texts with a USLM, in the voices of prompts.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", help="YAML file with values of these options")
    parser.add_argument("--uslm", help="directory of a trained USLM")
    parser.add_argument("--train_config", help="config.yaml, instead of --uslm")
    parser.add_argument("--model_file", help="checkpoint; the best one by default")
    parser.add_argument("--codec", help="directory of its codec, if not in codec.yaml")
    parser.add_argument("--output_dir", required=True, help="where results go")
    parser.add_argument(
        "--data_path_and_name_and_type",
        action="append",
        required=True,
        help="FILE,text,text; and for prompts FILE,speech,sound and "
        "FILE,prompt_text,text",
    )
    parser.add_argument("--batch_size", type=int, default=16, help="utterances at once")
    parser.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 is greedy")
    parser.add_argument("--top_k", type=int, default=0, help="codes to draw from")
    parser.add_argument("--top_p", type=float, default=1.0, help="mass to draw from")
    parser.add_argument(
        "--minlenratio", type=float, default=0.0, help="fewest frames per token"
    )
    parser.add_argument(
        "--maxlenratio", type=float, default=20.0, help="most frames per token"
    )
    parser.add_argument(
        "--ar_prompt",
        type=str2bool,
        default=True,
        help="whether the prompt goes to the AR model too",
    )
    return parser


def parse_data(triples: list[str]) -> dict[str, str]:
    """Index files by name, from ESPnet's `path,name,type`.

    Raises:
        ValueError: If a triple is malformed or a name is not known or missing.
    """
    types = {"text": "text", "speech": "sound", "prompt_text": "text"}
    data = {}
    for triple in triples:
        path, name, kind = (triple.rsplit(",", 2) + ["", ""])[:3]
        if types.get(name) != kind:
            known = ", ".join(f"FILE,{n},{t}" for n, t in types.items())
            raise ValueError(f"data {triple!r}: expected one of {known}")
        data[name] = path
    if "text" not in data:
        raise ValueError("no text: give --data_path_and_name_and_type FILE,text,text")
    return data


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = get_parser()
    known, _ = parser.parse_known_args(cmd)
    if known.config:
        values = read_config(Path(known.config))
        unknown = sorted(set(values) - set(vars(known)))
        if unknown:
            parser.error(f"{known.config}: unknown options {', '.join(unknown)}")
        parser.set_defaults(**values)
    args = parser.parse_args(cmd)
    if bool(args.uslm) == bool(args.train_config):
        parser.error("give one of --uslm and --train_config")
    setup_logging()
    logging.info("%s", vars(args))
    data = parse_data(args.data_path_and_name_and_type)
    tts = Text2Speech(
        args.train_config or Path(args.uslm) / "config.yaml",
        args.model_file,
        codec=args.codec,
        device="cuda" if args.ngpu else "cpu",
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        minlenratio=args.minlenratio,
        maxlenratio=args.maxlenratio,
        ar_prompt=args.ar_prompt,
        seed=args.seed,
    )
    speak_set(tts, data, args.output_dir, args.batch_size)


if __name__ == "__main__":
    main()
