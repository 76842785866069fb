"""`espnet-st bench`: score anybody's speech tokens."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from espnet_st.bin.options import pick_device

EXAMPLES = """examples:
  espnet-st bench --codes codes.scp --text text --frame-rate 50 -o results --quick
  espnet-st bench --codes units.txt --text text --train-codes train_units.txt \\
      --train-text train_text --audio wav.scp --phones phones.ctm -o results
  espnet-st bench --model exp/codec_mini --audio wav.scp --text text -o results
  espnet-st bench --model encodec_24khz/ --audio wav.scp -o results

codes: a codes.scp (Kaldi matrices (T, n_q) or vectors, or our packed archive), a text
file of units ('utt 5 6 7', with layers 'utt 5,901 6,17'), or a directory of .npy or .pt
files (n_q, T). A part whose input is missing is named as not scored.

results: scores.json, estimates.npz, RESULTS.md, report.html and images/. Finished parts
are kept in the directory, and a later run goes on from there.

A recipe's systems are compared by python -m espnet_st.bin.slmtokbench."""

NAMED = 20
"""Utterances that were left out and are named on the terminal."""

FILES = {
    "codes": "codes of the test set, or of the only set",
    "text": "its transcripts, 'utt words'",
    "train-codes": "codes to train the downstream recogniser on",
    "train-text": "their transcripts",
    "valid-codes": "codes for the mutual information (default: the test set)",
    "valid-text": "their transcripts",
    "audio": "wav.scp of the original speech",
    "train-audio": "wav.scp of a training set for --model to tokenize",
    "valid-audio": "wav.scp of a validation set for --model to tokenize",
    "resynthesized": "wav.scp of speech made of the codes",
    "embeddings": "vectors of the codebooks, .npy (n_q, size, D) or .npz, one of each "
    "layer",
    "phones": "CTM of phones with times in seconds, for PNMI and ABX",
    "utt2spk": "speakers; a single set is split by them",
}


def get_parser() -> argparse.ArgumentParser:
    """Make the parser of the verb."""
    parser = argparse.ArgumentParser(
        prog="espnet-st bench",
        description="Score speech tokens with SLMTokBench: how well they align with "
        "text, what they keep of speech, and what their codes are like.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("what is scored")
    for name, what in FILES.items():
        files.add_argument(f"--{name}", metavar="FILE", help=what)
    files.add_argument(
        "--model",
        metavar="SOURCE",
        help="a tokenizer that makes the codes of --audio: our codec, ESPnet's, the "
        "official SpeechTokenizer, a Hugging Face EnCodec, DAC, Mimi, X-Codec or "
        "X-Codec2 in a directory, or a YAML file of units",
    )
    files.add_argument(
        "--adapter", metavar="NAME", help="how to load --model (default: by its config)"
    )
    files.add_argument(
        "--frame-rate",
        type=float,
        metavar="HZ",
        help="frames per second (default: by --audio)",
    )
    files.add_argument(
        "--codebook-sizes",
        type=int,
        nargs="+",
        metavar="N",
        help="entries of each layer, or one number for all (default: by --embeddings, "
        "or by the largest code)",
    )
    files.add_argument("--name", default="tokens", help="of the tokens, in tables")
    how = parser.add_argument_group("how")
    how.add_argument("-o", "--output", required=True, help="directory for results")
    how.add_argument(
        "--quick",
        action="store_true",
        help="a small downstream recogniser and few utterances: minutes on a CPU in "
        "place of the paper's size",
    )
    how.add_argument("--config", help="YAML of settings, as conf/slmtokbench.yaml")
    how.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting, over those of --config and --quick; may be repeated",
    )
    how.add_argument("--nj", type=int, default=1, help="processes")
    how.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")
    return parser


def run(args: argparse.Namespace) -> int:
    """Score, print the tables, and return the exit code."""
    from espnet_st.slmtokbench.report.tables import to_markdown
    from espnet_st.slmtokbench.token_benchmark import score_tokens

    inputs: dict[str, Any] = {
        name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in FILES
    }
    sizes = args.codebook_sizes
    results = score_tokens(
        args.output,
        read_settings(args),
        nj=args.nj,
        device=pick_device(args.ngpu),
        model=args.model,
        adapter=args.adapter,
        frame_rate=args.frame_rate,
        codebook_sizes=None if sizes is None else tuple(sizes),
        name=args.name,
        **inputs,
    )
    for table in results.tables.values():
        sys.stdout.write(to_markdown(table) + "\n")
    for part, reason in results.not_scored.items():
        sys.stdout.write(f"{part}: not scored: {reason}\n")
    for note in results.scores["notes"]:
        sys.stdout.write(f"{note}\n")
    for key, reason in list(results.left_out.items())[:NAMED]:
        sys.stderr.write(f"espnet-st bench: {key} left out: {reason}\n")
    if len(results.left_out) > NAMED:
        more = len(results.left_out) - NAMED
        sys.stderr.write(f"espnet-st bench: and {more} more, see scores.json\n")
    for path in results.paths.values():
        sys.stdout.write(f"{path}\n")
    return int(bool(results.left_out))


def read_settings(args: argparse.Namespace) -> Any:
    """Read the settings: --quick, --config over it, --set over both.

    Raises:
        ValueError: If a file or a setting is not known.
    """
    import yaml

    from espnet_st.slmtokbench.config import BenchmarkConfig, override
    from espnet_st.slmtokbench.token_options import quick_config

    config = quick_config() if args.quick else BenchmarkConfig()
    if args.config is not None:
        path = Path(args.config)
        if not path.is_file():
            raise ValueError(f"no such configuration: {path}")
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if not isinstance(values, dict):
            raise ValueError(f"{path}: expected 'name: value' lines")
        config = override(config, values)
    for setting in args.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting}: expected NAME=VALUE")
        config = override(config, {name: yaml.safe_load(value)})
    return config
