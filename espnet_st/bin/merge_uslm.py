"""Merge an AR model and a NAR model that were trained apart to one USLM."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from espnet_st.checkpoints.experiment import write_experiment
from espnet_st.checkpoints.merge_uslm import merge_halves
from espnet_st.checkpoints.sources import DECODE


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command; the AR model's `decode.yaml`, if any, goes to the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ar", required=True, help="run with tts_conf: train: ar")
    parser.add_argument("--nar", required=True, help="run with tts_conf: train: nar")
    parser.add_argument("--output_dir", required=True, help="where the USLM goes")
    args = parser.parse_args(cmd)
    config, state = merge_halves(Path(args.ar), Path(args.nar))
    output = Path(args.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    write_experiment(output, config, state)
    decode = Path(args.ar) / DECODE
    if decode.is_file():
        shutil.copyfile(decode, output / DECODE)


if __name__ == "__main__":
    main()
