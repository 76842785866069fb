"""What the page does with what people bring: each action answers with HTML.

Knows nothing of the framework that shows the page. A `ValueError` of an action is a
sentence for people.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import pad

from espnet_st.demo.analysis import PCM_BITS, bit_rate, name_layers, resynthesize
from espnet_st.demo.inputs import Limits, check_text, read_speech
from espnet_st.demo.pictures import draw_codes, draw_spectrogram, draw_waveform
from espnet_st.demo.players import Player, draw_players, format_bit_rate, notice
from espnet_st.demo.wav_store import WavStore
from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.inference.code_swapping import swap_layers
from espnet_st.inference.requests import Request
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.inference.voice_conversion import conversion_by_nar

Progress = Callable[[float, str], object]
"""Takes the share of an action that is done, and what comes next."""


def _no_progress(share: float, step: str) -> None:
    """Say nothing."""


class Actions:
    """Actions of the page on one codec.

    Args:
        codec: The codec.
        tts: A USLM over its codes, if there is one.
        limits: What is taken.
        store: Keeps what is to be heard.
        link: Makes the URL of a file in `store`.
    """

    def __init__(
        self,
        codec: AudioCoding,
        tts: Text2Speech | None,
        limits: Limits,
        store: WavStore,
        link: Callable[[str], str],
    ) -> None:
        self.codec = codec
        self.tts = tts
        self.limits = limits
        self.store = store
        self.link = link

    def analyse(self, speech: str | None, progress: Progress = _no_progress) -> str:
        """Show speech and its codes, and play what each number of layers keeps.

        Args:
            speech: A file.
            progress: Is told how far it is.

        Raises:
            ValueError: If the speech cannot be used.
        """
        wav = self._read(speech)
        progress(0.0, "encoding")
        codes = self.codec.encode(wav)
        rate = self.codec.sample_rate
        players = [self._player("original", wav, format_bit_rate(rate * PCM_BITS))]
        for one in resynthesize(self.codec, codes, len(wav)):
            alone = " alone" if one.first > 1 else ""
            title = name_layers(one.first, one.last) + alone
            bits = format_bit_rate(bit_rate(self.codec, one.n_layers))
            players.append(self._player(title, one.wav, bits))
            progress(len(players) / (self.codec.n_q + 2), title)
        # Pictures end with the last frame, so that they have one axis of time.
        whole = pad(wav, (0, codes.shape[1] * self.codec.hop_length - len(wav)))
        pictures = [
            draw_waveform(whole, rate),
            draw_spectrogram(whole, rate),
            draw_codes(codes, self.codec.codebook_size, self.codec.frame_rate),
        ]
        return _in_columns(draw_players(players), "".join(pictures))

    def convert(self, speech: str | None, voice: str | None) -> str:
        """Play speech with more and more acoustic layers of another voice.

        Args:
            speech: A file with the words.
            voice: A file with the other voice.

        Raises:
            ValueError: If one of them cannot be used, or the codec has one layer.
        """
        n_q, codec = self.codec.n_q, self.codec
        if n_q == 1:
            raise ValueError("This codec has one layer: there is none to swap.")
        wav, reference = self._read(speech), self._read(voice, "second voice")
        codes, other = codec.encode_batch([wav, reference])
        players = [
            self._player("speech", wav),
            self._player("second voice", reference),
            self._player("no layer swapped", codec.decode(codes)[: len(wav)]),
        ]
        for last in range(2, n_q + 1):
            part = codec.decode(swap_layers(codes, other, last))[: len(wav)]
            players.append(self._player(f"{name_layers(2, last)} swapped", part))
        note = ""
        if self.tts is not None:
            try:
                some = conversion_by_nar(self.tts, {})("", "", codes, other)
            except ValueError as error:
                note = notice(f"The USLM cannot predict the voice: {error}.")
            else:
                title = f"{name_layers(2, n_q)} predicted by the USLM"
                players.append(self._player(title, codec.decode(some)[: len(wav)]))
        return draw_players(players) + note

    def speak(
        self, text: str, speech: str | None, speech_text: str = "", take: int | None = 1
    ) -> str:
        """Speak a text in the voice of speech.

        Args:
            text: The text.
            speech: A file with the voice.
            speech_text: What it says, if that is known.
            take: Another number gives another rendering; None counts as 0.

        Raises:
            ValueError: If there is no USLM, or an input cannot be used.
        """
        tts = self.tts
        if tts is None:
            raise ValueError("There is no USLM here: start the page with --uslm.")
        text = check_text(text, self.limits)
        if speech_text.strip():
            speech_text = check_text(speech_text, self.limits, "text of the speech")
        wav = self._read(speech)
        prompt = tts.prompt(wav, speech_text, self.codec.sample_rate)
        request = Request("text", tts.parts(text), prompt, take or 0)
        result = tts.synthesize([request])[0]
        if result.codes.shape[1] == 0:
            raise ValueError(
                "The model ended before it said a word: try another take, or another "
                "text."
            )
        hints = []
        if unspoken := tts.tokens.unspoken(text):
            hints.append(
                f"The model does not read {' '.join(unspoken)}: left out, or spoken at "
                "a guess."
            )
        if result.truncated:
            hints.append("The model did not end by itself: cut at its limit.")
        codec = self.codec
        spoken = codec.decode(result.codes)
        players = [
            self._player(text, spoken, f"{len(spoken) / codec.sample_rate:.1f} s"),
            self._player("the voice", wav, f"{len(wav) / codec.sample_rate:.1f} s"),
        ]
        picture = draw_codes(result.codes, codec.codebook_size, codec.frame_rate)
        notices = "".join(notice(hint, "hint") for hint in hints)
        return notices + _in_columns(draw_players(players), picture)

    def _read(self, path: str | None, what: str = "speech") -> Tensor:
        return read_speech(path, self.codec.sample_rate, self.limits, what)

    def _player(self, title: str, wav: Tensor, detail: str = "") -> Player:
        path = self.store.add(wav, self.codec.sample_rate)
        return Player(title, self.link(str(path)), detail)


def _in_columns(left: str, right: str) -> str:
    """Put HTML beside HTML, or below it where the page is narrow."""
    return f'<div class="st-columns"><div>{left}</div><div>{right}</div></div>'
