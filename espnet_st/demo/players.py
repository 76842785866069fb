"""HTML of the page beside its pictures: players, notices, what a codec is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from espnet_st.demo.analysis import bit_rate
from espnet_st.inference.audio_coding import AudioCoding


@dataclass(frozen=True)
class Player:
    """One row of a table of players.

    Attributes:
        title: What is heard.
        url: Of its wav file.
        detail: What more there is to know, as its bit rate.
    """

    title: str
    url: str
    detail: str = ""


def format_bit_rate(bits: float) -> str:
    """Write bits per second in kbit/s."""
    return f"{bits / 1000:.3g} kbit/s"


def draw_players(players: Sequence[Player]) -> str:
    """Make a table of players, a row each."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.title)}</th><td>{escape(one.detail)}</td>'
        f'<td><audio controls preload="metadata" src="{escape(one.url)}" '
        f'aria-label="{escape(one.title)}"></audio></td></tr>'
        for one in players
    )
    return f'<table class="st-players"><tbody>{rows}</tbody></table>'


def notice(text: str, kind: str = "problem") -> str:
    """Show a sentence: a `problem`, or a `hint`."""
    role = "alert" if kind == "problem" else "note"
    return f'<div class="st-notice st-{kind}" role="{role}">{escape(text)}</div>'


def describe(codec: AudioCoding, names: Sequence[str]) -> str:
    """Say in a line what a codec is.

    Args:
        codec: The codec.
        names: Of the models on the page.
    """
    facts = [
        f"{codec.sample_rate / 1000:g} kHz",
        f"{codec.n_q} layer{'s' if codec.n_q > 1 else ''} of {codec.codebook_size} "
        "codes",
        f"{codec.frame_rate:g} frames per second",
        format_bit_rate(bit_rate(codec, codec.n_q)),
    ]
    items = "".join(f"<li>{escape(fact)}</li>" for fact in (*names, *facts))
    return f'<ul class="st-facts">{items}</ul>'
