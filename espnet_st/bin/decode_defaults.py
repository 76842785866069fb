"""Make a decoding configuration the defaults of a USLM."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from espnet_st.bin.tts_options import parse_options, read_decoding
from espnet_st.checkpoints.sources import DECODE

COMMENT = "# How this model is decoded unless options say otherwise.\n"


def write_defaults(config: Path, directory: Path) -> None:
    """Write the decoding options of a configuration beside a model.

    Args:
        config: A YAML file of options of `tts_inference`. Options of the job, such as
            `batch_size` and `seed`, are checked and left out.
        directory: Where the model's `config.yaml` is or will be; made if missing.
    """
    # Read as tts_inference reads it, so that both accept the same files.
    job = ["--uslm", str(directory), "--output_dir", str(directory)]
    job += ["--data_path_and_name_and_type", "none,text,text"]
    options = read_decoding(parse_options(["--config", str(config), *job]))
    directory.mkdir(parents=True, exist_ok=True)
    text = COMMENT + yaml.safe_dump(options, sort_keys=False)
    (directory / DECODE).write_text(text, encoding="utf-8")


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description="Make a decoding configuration the defaults of a USLM."
    )
    parser.add_argument("--config", required=True, help="as of tts_inference")
    parser.add_argument("--output_dir", required=True, help="directory of the USLM")
    args = parser.parse_args(cmd)
    write_defaults(Path(args.config), Path(args.output_dir))


if __name__ == "__main__":
    main()
