"""The report: one page with tables, players and figures, that needs nothing else.

Audio (FLAC) and pictures (PNG) are embedded, so the file can be moved and read off
line.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from espnet_st.data.audio import prepare_audio, read_audio
from espnet_st.slmtokbench.report.tables import NOT_SCORED, Table

_STYLE = """
:root { --ink: #1d2433; --soft: #5b6475; --line: #dfe3ea; --tint: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-bottom: .3rem;
  border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
p, li { max-width: 46rem; }
.soft { color: var(--soft); font-size: .88rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { padding: .4rem .7rem; text-align: left; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th { background: var(--tint); font-weight: 600; vertical-align: bottom; }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 16rem; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem;
  margin: .8rem 0; }
.card > p { margin: 0 0 .6rem; }
.players { display: grid; gap: .7rem;
  grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
.players figcaption { font-size: .85rem; margin-bottom: .15rem; }
figure { margin: 0; }
audio { width: 100%; height: 2.2rem; }
img { max-width: 100%; height: auto; display: block; margin: .6rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem;
  font-size: .9rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
details pre { background: var(--tint); padding: .8rem; overflow-x: auto;
  font-size: .8rem; }
@media (max-width: 40rem) { body { font-size: 15px; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""


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


@dataclass(frozen=True)
class Section:
    """Hold a heading and what stands below it, in this order."""

    title: str
    intro: str = ""
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[tuple[str, Path]] = ()
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
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in environment.items()
    )
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n<p>{html.escape(summary)}</p>\n"
        f"<dl>{facts}</dl>\n{body}\n"
        "<h2>Configuration</h2>\n<details><summary>All settings</summary>"
        f"<pre>{html.escape(configuration)}</pre></details>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>"]
    if section.intro:
        parts.append(f"<p>{html.escape(section.intro)}</p>")
    if section.notes:
        lines = "".join(f"<li>{html.escape(note)}</li>" for note in section.notes)
        parts.append(f"<ul>{lines}</ul>")
    parts += [_table(table) for table in section.tables]
    parts += [_picture(caption, path) for caption, path in section.figures]
    parts += [_card(card) for card in section.cards]
    return "\n".join(parts)


def _table(table: Table) -> str:
    titles = [
        column.replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")
        for column in table.columns
    ]
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    rows = "\n".join(
        "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows
    )
    notes = "".join(f'<p class="soft">{html.escape(note)}</p>' for note in table.notes)
    return (
        f"<h3>{html.escape(table.title)}</h3>\n"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>{notes}"
    )


def _cell(cell: str) -> str:
    classes = [
        name
        for name, holds in (
            ("long", len(cell) > 40),
            ("soft", cell.startswith(NOT_SCORED)),
        )
        if holds
    ]
    attribute = f' class="{" ".join(classes)}"' if classes else ""
    return f"<td{attribute}>{html.escape(cell)}</td>"


def _picture(caption: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f"<h3>{html.escape(caption)}</h3>\n"
        f'<img alt="{html.escape(caption)}" src="data:image/png;base64,{data}">'
    )


def _card(card: Card) -> str:
    players = "\n".join(
        f"<figure><figcaption>{html.escape(label)}</figcaption>"
        f'<audio controls preload="none" src="{_audio(path)}"></audio></figure>'
        for label, path in card.players.items()
    )
    return (
        f'<div class="card"><p>{html.escape(card.text)} '
        f'<span class="soft">{html.escape(card.note)}</span></p>\n'
        f'<div class="players">{players}</div></div>'
    )


def _audio(path: Path) -> str:
    """Write a file as a data address: mono, at its own rate, as 16-bit FLAC."""
    audio, rate = read_audio(str(path))
    wav = prepare_audio(audio, rate, rate).numpy()
    buffer = io.BytesIO()
    soundfile.write(buffer, wav, rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode()
