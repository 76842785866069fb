"""One-shot voice conversion: the content of one utterance in the voice of another."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from espnet_st.bin.audio import read_index, write_wav
from espnet_st.bin.codec_inference import AudioCoding
from espnet_st.bin.jobs import Skipped, batches, setup_logging
from espnet_st.codes import CodesReader
from espnet_st.slmtokbench.conversion import convert, parse_layers


def convert_set(
    codec: AudioCoding,
    codes_scp: str,
    utt2ref: str,
    output_dir: str,
    last_layer: int,
    batch_size: int,
) -> None:
    """Convert all sources of `utt2ref` into `output_dir/wav`, and index them.

    Args:
        codec: decodes the mixed codes.
        codes_scp: codes of sources and references.
        utt2ref: source utterance to reference utterance.
        output_dir: where wavs and `wav.scp` go; what is there is not made again.
        last_layer: last layer that the reference gives, from 2.
        batch_size: utterances decoded at once.
    """
    reader = CodesReader(codes_scp)
    references = read_index(utt2ref)
    output = Path(output_dir)
    paths = {key: output / "wav" / f"{key}.wav" for key in references}
    todo = [key for key in references if not paths[key].is_file()]
    done, skipped, mixed = len(references) - len(todo), Skipped(), {}
    for key in todo:
        absent = [name for name in (key, references[key]) if name not in reader]
        try:
            if absent:
                raise ValueError(f"no codes of {' and '.join(absent)} in {codes_scp}")
            mixed[key] = convert(reader[key], reader[references[key]], last_layer)
        except ValueError as error:
            skipped.add(key, error)
    lengths = {key: codes.shape[1] for key, codes in mixed.items()}
    with tqdm(
        total=len(references), initial=done, desc=output.name, unit="utt"
    ) as progress:
        progress.update(len(skipped.reasons))
        for keys in batches(list(mixed), lengths.__getitem__, batch_size):
            for key, wav in zip(keys, _decode(codec, mixed, keys, skipped)):
                if wav is not None:
                    write_wav(paths[key], wav, codec.sample_rate)
                    done += 1
            progress.update(len(keys))
    lines = [
        f"{key} {paths[key]}\n" for key in sorted(paths) if key not in skipped.reasons
    ]
    output.mkdir(parents=True, exist_ok=True)
    (output / "wav.scp").write_text("".join(lines), encoding="utf-8")
    skipped.finish(done)


def _decode(codec: AudioCoding, mixed: dict, keys: list[str], skipped: Skipped) -> list:
    """Decode a batch; if it fails, one by one, None for what fails."""
    try:
        return codec.decode_batch([mixed[key] for key in keys])
    except ValueError:
        wavs = []
        for key in keys:
            try:
                wavs.append(codec.decode(mixed[key]))
            except ValueError as error:
                skipped.add(key, error)
                wavs.append(None)
        return wavs


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description="Layer 1 of each utterance with layers 2 to k of its reference.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--codec", required=True, help="directory of a trained codec")
    parser.add_argument("--codes_scp", required=True, help="codes of all utterances")
    parser.add_argument("--utt2ref", required=True, help="source and reference ids")
    parser.add_argument("--output_dir", required=True, help="where wavs and wav.scp go")
    parser.add_argument(
        "--layers", default="2-4", help="of the reference, counted from 1: 2 or 2-k"
    )
    parser.add_argument("--batch_size", type=int, default=8, help="utterances at once")
    parser.add_argument("--ngpu", type=int, default=0, help="1 to use a GPU")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    setup_logging()
    logging.info("%s", vars(args))
    codec = AudioCoding.from_pretrained(args.codec, "cuda" if args.ngpu else "cpu")
    last_layer = parse_layers(args.layers, codec.n_q)
    convert_set(
        codec,
        args.codes_scp,
        args.utt2ref,
        args.output_dir,
        last_layer,
        args.batch_size,
    )


if __name__ == "__main__":
    main()
