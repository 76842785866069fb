"""Speak sentences: flite, festival and espeak-ng behind one function.

`speak` gives 16 kHz mono signals with phone times; voices are in `voices.py`, files
and data directories in `make_corpus.py`.
"""

import ctypes
import functools
import subprocess
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from phones import SILENCE, Segment, common_segments
from scipy.signal import resample_poly
from voices import Voice

SAMPLE_RATE = 16000
LEVEL = 10 ** (-26 / 20)
EDGE = 0.12

Spoken = tuple[np.ndarray, int, list[Segment]]


def speak(voice: Voice, texts: Sequence[str]) -> list[tuple[np.ndarray, list[Segment]]]:
    """Speak sentences with one voice.

    Args:
        voice: who speaks.
        texts: sentences, upper or lower case.

    Returns:
        per sentence the signal (N,), float32 at 16 kHz with an RMS of -26 dBFS and
        0.12 s of silence at both ends, and its segments, which cover it.

    Raises:
        ValueError: if the synthesizer is missing, fails or does not know the voice.
    """
    backends = {"flite": _flite, "festival": _festival, "espeak": _espeak}
    if voice.backend not in backends:
        raise ValueError(
            f"backend {voice.backend!r} of voice {voice.name}: want one of "
            f"{sorted(backends)}"
        )
    spoken = backends[voice.backend](voice, [text.lower() for text in texts])
    return [_finish(voice, *one) for one in spoken]


def _finish(
    voice: Voice, wav: np.ndarray, rate: int, segments: list[Segment]
) -> tuple[np.ndarray, list[Segment]]:
    """Apply the playback factor, go to 16 kHz, cut the silences, set the level."""
    ratio = Fraction(SAMPLE_RATE / (rate * voice.playback)).limit_denominator(200)
    if ratio != 1:
        wav = resample_poly(wav, ratio.numerator, ratio.denominator)
    factor = float(ratio) * rate / SAMPLE_RATE
    segments = [(s * factor, e * factor, p) for s, e, p in segments]
    segments = common_segments(segments, voice.backend)
    voiced = [i for i, segment in enumerate(segments) if segment[2] != SILENCE]
    if not voiced:
        raise ValueError(f"voice {voice.name}: the synthesizer spoke no phone")
    segments = segments[voiced[0] : voiced[-1] + 1]
    begin = round((segments[0][0] - EDGE) * SAMPLE_RATE)
    end = round((segments[-1][1] + EDGE) * SAMPLE_RATE)
    pad = (max(0, -begin), max(0, end - len(wav)))
    wav = np.pad(wav[max(0, begin) : end], pad).astype(np.float32)
    shift = begin / SAMPLE_RATE
    segments = [(s - shift, e - shift, p) for s, e, p in segments]
    segments.insert(0, (0.0, segments[0][0], SILENCE))
    segments.append((segments[-1][1], len(wav) / SAMPLE_RATE, SILENCE))
    fade = round(0.02 * SAMPLE_RATE)
    wav[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    wav[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    wav *= LEVEL / max(float(np.sqrt(np.mean(wav**2))), 1e-8)
    return wav / max(1.0, float(np.abs(wav).max()) / 0.99), segments


def _run(command: list[str], package: str) -> str:
    """Run a synthesizer and return what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ValueError(
            f"{command[0]} is not installed: apt-get install {package}"
        ) from error
    if done.returncode != 0:
        raise ValueError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _flite(voice: Voice, texts: Sequence[str]) -> list[Spoken]:
    """Speak by one process per sentence; `-psdur` prints `phone:end` pairs."""
    stretch = voice.playback / voice.tempo
    command = ["flite", "-voice", voice.base, "-psdur"]
    command += ["--setf", f"duration_stretch={stretch:.4f}"]
    if voice.f0 is not None:
        command += ["--setf", f"int_f0_target_mean={voice.f0:g}"]
    spoken = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        for text in texts:
            printed = _run([*command, "-t", text, "-o", str(path)], "flite")
            wav, rate = soundfile.read(path, dtype="float64")
            rows = [entry.rsplit(":", 1) for entry in printed.split()]
            ends = [(phone, float(end)) for phone, end in rows]
            spoken.append((wav, rate, _segments(ends)))
    return spoken


def _festival(voice: Voice, texts: Sequence[str]) -> list[Spoken]:
    """Speak by one process for all; `utt.save.segs` writes `end colour phone`."""
    rate_option = f'(list (list "-r" {voice.tempo / voice.playback:.4f}))'
    spoken = []
    with tempfile.TemporaryDirectory() as folder:
        lines = [
            f"(voice_{voice.base})",
            f"(set! hts_engine_params (append hts_engine_params {rate_option}))",
        ]
        for i, text in enumerate(texts):
            lines += [
                f'(set! utt1 (utt.synth (Utterance Text "{text}")))',
                f'(utt.save.wave utt1 "{folder}/{i}.wav" \'riff)',
                f'(utt.save.segs utt1 "{folder}/{i}.segs")',
            ]
        script = Path(folder) / "speak.scm"
        script.write_text("\n".join(lines) + "\n")
        _run(["festival", "-b", str(script)], "festival festvox-us-slt-hts")
        for i in range(len(texts)):
            wav, rate = soundfile.read(f"{folder}/{i}.wav", dtype="float64")
            rows = Path(f"{folder}/{i}.segs").read_text().splitlines()[1:]
            ends = [(row.split()[2], float(row.split()[0])) for row in rows if row]
            spoken.append((wav, rate, _segments(ends)))
    return spoken


def _segments(ends: list[tuple[str, float]]) -> list[Segment]:
    starts = [0.0] + [end for _, end in ends[:-1]]
    return [(s, end, phone) for s, (phone, end) in zip(starts, ends, strict=True)]


class _Name(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng's speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    ]


_EVENT_PHONEME = 7
_AUDIO_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_PARAMETER = {"rate": 1, "pitch": 3}
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@functools.cache
def _espeak_library() -> tuple[ctypes.CDLL, int]:
    """Load the library once per process, with phoneme events; give its rate, too."""
    try:
        library = ctypes.CDLL("libespeak-ng.so.1")
    except OSError as error:
        raise ValueError(
            "libespeak-ng.so.1 is not installed: apt-get install espeak-ng"
        ) from error
    rate = library.espeak_Initialize(_AUDIO_SYNCHRONOUS, 500, None, 1)
    if rate <= 0:
        raise ValueError("espeak-ng finds no data: apt-get install espeak-ng-data")
    return library, rate


def _espeak(voice: Voice, texts: Sequence[str]) -> list[Spoken]:
    """Speak through the library, whose phoneme events carry sample positions."""
    library, rate = _espeak_library()
    if library.espeak_SetVoiceByName(voice.base.encode()) != 0:
        raise ValueError(f"voice {voice.name}: espeak-ng has no voice {voice.base!r}")
    words_per_minute = round(175 * voice.tempo / voice.playback)
    library.espeak_SetParameter(_PARAMETER["rate"], words_per_minute, 0)
    pitch = 50 if voice.f0 is None else round(voice.f0)
    library.espeak_SetParameter(_PARAMETER["pitch"], pitch, 0)
    blocks: list[np.ndarray] = []
    starts: list[tuple[str, float]] = []

    @_CALLBACK
    def collect(samples: Any, count: int, events: Any) -> int:
        if count > 0:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        position = 0
        while events[position].type != 0:
            event = events[position]
            if event.type == _EVENT_PHONEME and event.id.string:
                name = bytes(event.id.string).decode()
                starts.append((name, event.sample / rate))
            position += 1
        return 0

    library.espeak_SetSynthCallback(collect)
    spoken = []
    for text in texts:
        blocks.clear()
        starts.clear()
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
        library.espeak_Synchronize()
        wav = np.concatenate(blocks) / 32768.0
        ends = [start for _, start in starts[1:]] + [len(wav) / rate]
        rows = zip(starts, ends, strict=True)
        spoken.append((wav, rate, [(start, end, name) for (name, start), end in rows]))
    return spoken
