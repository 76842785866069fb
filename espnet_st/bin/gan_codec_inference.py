"""ESPnet's `gan_codec_inference`, which takes a `--batch_size` for this plugin's codec.

`python -m espnet_st -m espnet2.bin.gan_codec_inference` runs this. Other codecs get
ESPnet's own command.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from espnet2.bin import gan_codec_inference as stock

from espnet_st.bin.options import pick_device, setup_logging
from espnet_st.frontend.codec_inference import (
    encode_as_espnet,
    load_batches,
    read_train_args,
)
from espnet_st.inference.audio_coding import AudioCoding


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = stock.get_parser().parse_args(cmd)
    source = args.model_tag or args.train_config
    if source is None:
        raise SystemExit("which codec? give --train_config and --model_file")
    train_args = read_train_args(source)
    if train_args.codec != "speechtokenizer" or args.dtype != "float32":
        stock.main(cmd)
        return
    if args.batch_size < 1:
        raise SystemExit(f"--batch_size {args.batch_size}: expected 1 or more")
    setup_logging(args.log_level)
    logging.info("%s", vars(args))
    model_file = None if args.model_tag else args.model_file
    codec = AudioCoding(source, model_file, pick_device(args.ngpu))
    batches = load_batches(args, train_args)
    encode_as_espnet(codec, batches, Path(args.output_dir), args.encode_only)


if __name__ == "__main__":
    main()
