"""Take a few recordings of the test voices, with their words, as prompts for the tests.

`make.sh` runs this.
"""

import argparse
from pathlib import Path

import soundfile

from espnet_st.data.audio import read_audio
from espnet_st.data.kaldi import read_table


def write_prompts(raw: Path, output: Path, each: int = 3, seconds: float = 2.0) -> None:
    """Write the first recordings of each voice that are long enough, and no others.

    Args:
        raw: A data directory.
        output: Where `KEY.flac` and `text` go.
        each: How many recordings of a voice.
        seconds: The shortest recording to take.
    """
    wavs, text = read_table(raw / "wav.scp"), read_table(raw / "text")
    voices = read_table(raw / "utt2spk")
    output.mkdir(exist_ok=True)
    for old in output.glob("*.flac"):
        old.unlink()
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
    parser.add_argument("--raw", type=Path, required=True, help="test set of stage 2")
    parser.add_argument("--output_dir", type=Path, required=True)
    args = parser.parse_args()
    write_prompts(args.raw, args.output_dir)


if __name__ == "__main__":
    main()
