"""Make `test_de` and `test_zh`: German and Mandarin, which no model of mini has heard.

Spoken by espeak-ng in two voices each; there are no phone times. They are resynthesized
and shown, not scored (paper, section 5.4). Run by `data.sh`.
"""

import argparse
import logging
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly
from synthesize import LEVEL, SAMPLE_RATE

SENTENCES = {
    "de": (
        "Der Zug nach Hamburg fährt heute zehn Minuten später ab.",
        "Im Garten blühen die ersten Rosen schon seit Anfang Mai.",
        "Könnten Sie mir bitte sagen, wo hier die Post ist?",
        "Am Abend hörten wir die Frösche im Teich hinter dem Haus.",
        "Meine Schwester übt jeden Tag zwei Stunden Geige.",
        "Ein kühler Wind zog über die frisch gemähten Wiesen.",
    ),
    "zh": (
        "今天下午我们一起去公园散步。",
        "这本书我已经看过两遍了。",
        "请问火车站怎么走？",
        "妈妈在厨房里做晚饭。",
        "冬天的北方常常下大雪。",
        "他每天早上喝一杯绿茶。",
    ),
}
VOICES = {"de": ("de+f5", "de+m3"), "zh": ("cmn+f5", "cmn+m3")}


def speak(voice: str, text: str) -> np.ndarray:
    """Speak a sentence (N,) at `SAMPLE_RATE`.

    Raises:
        ValueError: espeak-ng is not installed, or does not know the voice.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        command = ["espeak-ng", "-v", voice, "-s", "140", "-w", str(path), text]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise ValueError(
                "espeak-ng is not installed: apt-get install espeak-ng"
            ) from error
        if done.returncode != 0:
            raise ValueError(f"{' '.join(command)} failed: {done.stderr.strip()}")
        wav, rate = soundfile.read(path, dtype="float64")
    wav = resample_poly(wav, SAMPLE_RATE, rate)
    wav *= LEVEL / np.sqrt(np.mean(wav**2))
    return wav / max(1.0, np.abs(wav).max() / 0.99)


def make_set(language: str, output_dir: Path, count: int) -> None:
    """Write the data directory of a language with at most `count` sentences."""
    folder = output_dir / f"test_{language}"
    wavs = output_dir / "wav" / f"test_{language}"
    for directory in (folder, wavs):
        directory.mkdir(parents=True, exist_ok=True)
    voices = VOICES[language]
    files: dict[str, list[str]] = {name: [] for name in ("wav.scp", "text", "utt2spk")}
    speakers: dict[str, list[str]] = {}
    for index, text in enumerate(SENTENCES[language][:count]):
        voice = voices[index % len(voices)]
        speaker = voice.replace("+", "_")
        utt = f"{speaker}-{index:04d}"
        soundfile.write(wavs / f"{utt}.wav", speak(voice, text), SAMPLE_RATE, "PCM_16")
        files["wav.scp"].append(f"{utt} {wavs / utt}.wav")
        files["text"].append(f"{utt} {text}")
        files["utt2spk"].append(f"{utt} {speaker}")
        speakers.setdefault(speaker, []).append(utt)
    files["spk2utt"] = [f"{spk} {' '.join(utts)}" for spk, utts in speakers.items()]
    for name, lines in files.items():
        (folder / name).write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
    logging.info("%s: %d utterances", folder, len(files["wav.scp"]))


def main() -> None:
    """Run the script with the options of `data.sh`."""
    parser = argparse.ArgumentParser(description="Make German and Mandarin test sets.")
    parser.add_argument("--output_dir", type=Path, default=Path("data"))
    parser.add_argument("--smoke", choices=("true", "false"), default="false")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for language in SENTENCES:
        make_set(language, args.output_dir, 2 if args.smoke == "true" else 6)


if __name__ == "__main__":
    main()
