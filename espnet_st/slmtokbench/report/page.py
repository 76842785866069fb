"""The report: one page with tables, players and figures, that needs nothing else.

Audio (FLAC), pictures (PNG), style and script are embedded, so the file can be moved
and read off line; the page itself forbids requests. `assets/` has style and script.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

import soundfile

from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.slmtokbench.report.paper import MARK
from espnet_st.slmtokbench.report.tables import NOT_SCORED, VERDICT, Table

ASSETS = Path(__file__).with_name("assets")
LONG = 40
"""Characters from which on a cell is a sentence, which may be broken."""
POLICY = (
    "default-src 'none'; img-src data:; media-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
SIGNS = {"held": "✓", "not held": "✗", "undecided": "?", "not measured": "–"}
"""How a verdict begins to the sign before it: colours are not all that tells them."""


@dataclass(frozen=True)
class Card:
    """Hold the players of one utterance.

    Attributes:
        text: what is said.
        note: e.g. the utterance id.
        players: label to audio file.
    """

    text: str
    note: str
    players: Mapping[str, Path]


class Picture(NamedTuple):
    """Hold a figure: what stands above it, its PNG, and what it shows, in words."""

    caption: str
    path: Path
    alt: str = ""


@dataclass(frozen=True)
class Section:
    """Hold a heading and what stands below it, in this order.

    A figure is a `Picture`, or its caption and path alone. A folded table is shown when
    it is asked for.
    """

    title: str
    intro: str = ""
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()
    figures: Sequence[Picture | tuple[str, Path]] = ()
    cards: Sequence[Card] = ()


def render_report(
    title: str,
    summary: str,
    environment: Mapping[str, str],
    sections: Sequence[Section],
    configuration: str,
) -> str:
    """Write the whole page as HTML.

    Args:
        title: of the page.
        summary: a sentence under the title.
        environment: what ran where.
        sections: of the page.
        configuration: shown folded at the end.
    """
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        for name, value in environment.items()
    )
    last = (
        f'<section id="configuration" aria-labelledby="configuration-title">'
        f'<h2 id="configuration-title">Configuration</h2>\n'
        f"<details><summary>All settings</summary>"
        f'<pre tabindex="0">{escape(configuration)}</pre></details></section>'
    )
    names = _anchors([section.title for section in sections])
    body = "\n".join([*map(_section, sections, names), last])
    links = "".join(
        f'<li><a href="#{name}">{escape(text)}</a></li>'
        for name, text in (
            *zip(names, (section.title for section in sections)),
            ("configuration", "Configuration"),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_asset('report.css')}</style>\n"
        '</head>\n<body>\n<a class="skip" href="#results">Skip to the results</a>\n'
        f"<header><h1>{escape(title)}</h1>\n<p>{escape(summary)}</p>\n"
        f"<details><summary>Where and with what this was measured</summary>"
        f"<dl>{facts}</dl></details></header>\n"
        f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n'
        f'<main id="results">\n{body}\n</main>\n'
        f'<footer><p class="soft">This page is one file of '
        f"{len(body) / 1e6:.1f} MB and needs no network.</p></footer>\n"
        f"{_LIGHTBOX}\n<script>\n{_asset('report.js')}</script>\n</body>\n</html>\n"
    )


_LIGHTBOX = (
    '<dialog aria-label="Enlarged figure"><header><p></p>'
    '<button type="button" data-action="-1" aria-label="Previous figure">←</button>'
    '<button type="button" data-action="1" aria-label="Next figure">→</button>'
    '<button type="button" data-action="close" aria-label="Close">✕</button></header>'
    '<div class="view" tabindex="0" role="region" aria-label="Figure"><img alt="">'
    "</div></dialog>"
)


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _anchors(titles: Sequence[str]) -> list[str]:
    """Make a name for the address of each title, no two the same."""
    names: list[str] = []
    for title in titles:
        stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        count = sum(re.sub(r"-\d+$", "", name) == stem for name in names)
        names.append(f"{stem}-{count + 1}" if count else stem)
    return names


def _section(section: Section, name: str) -> str:
    title = escape(section.title)
    parts = [f'<section id="{name}" aria-labelledby="{name}-title">']
    parts.append(f'<h2 id="{name}-title">{title}</h2>')
    if section.intro:
        parts.append(f"<p>{escape(section.intro)}</p>")
    if section.notes:
        lines = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
        parts.append(f"<ul>{lines}</ul>")
    parts += [_table(table) for table in section.tables]
    parts += [
        f"<details><summary>{escape(table.title)}</summary>{_table(table)}</details>"
        for table in section.folded
    ]
    parts += [_picture(Picture(*figure)) for figure in section.figures]
    parts += [_card(card) for card in section.cards]
    return "\n".join([*parts, "</section>"])


def _table(table: Table) -> str:
    titles = [
        column.replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")
        for column in table.columns
    ]
    head = "".join(
        f'<th role="columnheader" scope="col"{_paper(title)}>{escape(title)}</th>'
        for title in titles
    )
    rows = "\n".join(
        '<tr role="row">'
        + "".join(_cell(cell, title, titles[0]) for cell, title in zip(row, titles))
        + "</tr>"
        for row in table.rows
    )
    sentences = any(len(cell) > LONG for row in table.rows for cell in row)
    prose = ' class="prose"' if sentences else ""
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in table.notes)
    # The roles are those that the elements have, until a phone lays them out as blocks.
    return (
        f'<div class="scroll" role="region" tabindex="0" '
        f'aria-label="{escape(table.title)}">'
        f'<table role="table"{prose}>'
        f"<caption>{escape(table.title)}</caption>"
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>{notes}'
    )


def _paper(title: str) -> str:
    return ' class="paper"' if title.startswith(MARK) else ""


def _cell(cell: str, title: str, first: str) -> str:
    """Write a cell; the first of a row names the row."""
    if title == first:
        return f'<th role="rowheader" scope="row">{escape(cell)}</th>'
    classes = [
        name
        for name, holds in (
            ("long", len(cell) > LONG),
            ("soft", cell.startswith(NOT_SCORED)),
            ("paper", title.startswith(MARK)),
        )
        if holds
    ]
    attribute = f' class="{" ".join(classes)}"' if classes else ""
    text = _verdict(cell) if title == VERDICT else escape(cell)
    return f'<td role="cell" data-column="{escape(title)}"{attribute}>{text}</td>'


def _verdict(cell: str) -> str:
    """Write a verdict with its sign and colour."""
    for verdict, sign in SIGNS.items():
        if cell.startswith(verdict):
            kind = verdict.replace(" ", "-")
            return (
                f'<span class="verdict {kind}"><span aria-hidden="true">{sign} </span>'
                f"{escape(cell)}</span>"
            )
    return escape(cell)


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.path.read_bytes()).decode()
    caption = escape(picture.caption)
    return (
        f'<figure class="picture"><figcaption>{caption}</figcaption>\n'
        f'<button type="button" aria-label="Enlarge: {caption}">'
        f'<img alt="{escape(picture.alt or picture.caption)}" data-caption="{caption}" '
        f'src="data:image/png;base64,{data}"></button></figure>'
    )


def _card(card: Card) -> str:
    said = escape(card.text or card.note)
    players = "\n".join(
        f"<figure><figcaption>{escape(label)}</figcaption>"
        f'<audio controls preload="none" aria-label="{escape(label)}: {said}" '
        f'src="{_audio(path)}"></audio></figure>'
        for label, path in card.players.items()
    )
    return (
        f'<div class="card"><p>{escape(card.text)} '
        f'<span class="soft">{escape(card.note)}</span></p>\n'
        f'<div class="players">{players}</div></div>'
    )


def _audio(path: Path) -> str:
    """Write a file as a data address: mono, at its own rate, as 16-bit FLAC."""
    audio, rate = read_audio(str(path))
    wav = prepare_audio(audio, rate, rate).numpy()
    buffer = io.BytesIO()
    soundfile.write(buffer, wav, rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode()
