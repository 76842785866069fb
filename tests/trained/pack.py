"""Pack a codec and a USLM that the mini recipe trained, small enough for the tests.

ESPnet's `pack` makes each archive: weights in half precision, and of the configuration
what inference needs. A few recordings of the test voices, with their words, become the
prompts. `make.sh` runs this.
"""

import argparse
import os
import tempfile
from pathlib import Path

import soundfile
from espnet2.bin.pack import main as pack

from espnet_st.checkpoints.experiment import write_experiment
from espnet_st.checkpoints.loading import (
    GENERATOR,
    find_checkpoint,
    load_state,
    read_config,
)
from espnet_st.checkpoints.sources import DECODE
from espnet_st.checkpoints.uslm_release import TTS
from espnet_st.data.audio import read_audio
from espnet_st.data.kaldi import read_table

KEPT = {
    "codec": ("codec", "codec_conf"),
    "tts": ("tts", "tts_conf", "odim", "token_list", "token_type", "g2p", "cleaner"),
}
"""Keys of `config.yaml` that inference needs, by task."""


def pack_half(task: str, exp: Path, prefix: str, archive: Path) -> None:
    """Pack a model in half precision.

    Args:
        task: `codec` or `tts`.
        exp: The model's experiment directory.
        prefix: How the names of the tensors to keep begin.
        archive: The zip to write.
    """
    config = read_config(exp / "config.yaml")
    config = {key: config[key] for key in KEPT[task]}
    config[f"{task}_conf"].pop("teacher_conf", None)
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_state(find_checkpoint(exp)).items()
        if name.startswith(prefix)
    }
    files = ["--train_config", "config.yaml", "--model_file", "latest.pth"]
    start = Path.cwd()
    with tempfile.TemporaryDirectory() as work:
        write_experiment(Path(work), config, state)
        if (exp / DECODE).is_file():
            (Path(work) / DECODE).write_bytes((exp / DECODE).read_bytes())
            files += ["--option", DECODE]
        os.chdir(work)  # so that the archive names files without their directories
        try:
            pack([task, *files, "--outpath", str(archive)])
        finally:
            os.chdir(start)


def write_prompts(raw: Path, output: Path, each: int = 3, seconds: float = 2.0) -> None:
    """Write the first recordings of each voice that are long enough.

    Args:
        raw: A data directory.
        output: Where `KEY.flac` and `text` go.
        each: How many recordings of a voice.
        seconds: The shortest recording to take.
    """
    wavs, text = read_table(raw / "wav.scp"), read_table(raw / "text")
    voices = read_table(raw / "utt2spk")
    output.mkdir(exist_ok=True)
    lines, counts = [], dict.fromkeys(voices.values(), 0)
    for key in sorted(wavs):
        wav, rate = read_audio(wavs[key])
        if counts[voices[key]] < each and len(wav) >= seconds * rate:
            counts[voices[key]] += 1
            soundfile.write(output / f"{key}.flac", wav, rate)
            lines.append(f"{key} {text[key]}\n")
    (output / "text").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", type=Path, required=True, help="experiment")
    parser.add_argument("--uslm", type=Path, required=True, help="experiment")
    parser.add_argument("--raw", type=Path, required=True, help="test set of stage 2")
    parser.add_argument("--output_dir", type=Path, required=True)
    args = parser.parse_args()
    output = args.output_dir.resolve()
    pack_half("codec", args.codec.resolve(), GENERATOR, output / "codec.zip")
    pack_half("tts", args.uslm.resolve(), TTS, output / "uslm.zip")
    write_prompts(args.raw, output / "prompts")


if __name__ == "__main__":
    main()
