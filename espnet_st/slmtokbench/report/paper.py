"""The paper's own figures, tables 2 to 6 (Zhang et al., "SpeechTokenizer", 2024).

They stand beside ours where a row means the same. They are of LibriSpeech (VCTK in
tables 4 and 5, TIMIT in table 6) at full size, with Whisper and WavLM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from espnet_st.slmtokbench.orderings import ALL, FIRST, ONE, REST, SOME, SPOKEN
from espnet_st.slmtokbench.report.tables import NONE, Table

TRUTH = "groundtruth"
Figures = Mapping[str, str]
"""Name to the figure as the paper prints it."""
TABLES: dict[str, tuple[int, dict[tuple[str, str], Figures]]] = {
    "reconstruction": (
        2,
        {
            (TRUTH, ""): {"wer": "4.58", "mushra": "91.46"},
            ("encodec", ALL): {"wer": "5.11", "visqol": "4.37", "mushra": "79.86"},
            ("distilled", ALL): {"wer": "5.04", "visqol": "4.30", "mushra": "90.55"},
        },
    ),
    "benchmark": (
        3,
        {
            (TRUTH, ""): {"wer": "4.58", "sim": "1.0"},
            ("units", FIRST): {"wer": "16.26", "sim": "0.77"},
            ("encodec", FIRST): {"wer": "38.34", "sim": "0.92"},
            ("encodec", ALL): {"wer": "5.11", "sim": "0.98"},
            ("teacher_avg", FIRST): {
                **{"mi": "30.9", "downstream_wer": "15.58"},
                **{"wer": "9.57", "sim": "0.74"},
            },
            ("teacher_avg", ALL): {
                **{"mi": "29.7", "downstream_wer": "16.03"},
                **{"wer": "5.04", "sim": "0.97"},
            },
            ("teacher_layer", FIRST): {
                **{"mi": "32.9", "downstream_wer": "12.68"},
                **{"wer": "14.17", "sim": "0.73"},
            },
            ("teacher_layer", ALL): {
                **{"mi": "31.6", "downstream_wer": "13.12"},
                **{"wer": "5.31", "sim": "0.97"},
            },
            ("teacher_units", FIRST): {
                **{"mi": "24.2", "downstream_wer": "34.13"},
                **{"wer": "20.02", "sim": "0.72"},
            },
            ("teacher_units", ALL): {
                **{"mi": "25.1", "downstream_wer": "30.71"},
                **{"wer": "5.84", "sim": "0.95"},
            },
        },
    ),
    "zeroshot": (
        4,
        {
            (TRUTH, ""): {"wer": "1.9", "sim": "0.93", "mos": "4.5", "smos": "3.96"},
            ("encodec", SPOKEN): {
                "wer": "7.9",
                "sim": "0.75",
                "mos": "3.08",
                "smos": "3.31",
            },
            ("distilled", SPOKEN): {
                "wer": "6.5",
                "sim": "0.84",
                "mos": "3.63",
                "smos": "3.45",
            },
        },
    ),
    "conversion": (
        5,
        {
            (TRUTH, ""): {"wer": "0.4", "sim": "0.93"},
            ("distilled", ONE): {"wer": "2.6", "sim": "0.72"},
            ("distilled", SOME): {"wer": "11.7", "sim": "0.80"},
            ("distilled", REST): {"wer": "35.4", "sim": "0.82"},
        },
    ),
    "codebook": (
        6,
        {
            ("units", FIRST): {"pnmi": "0.43"},
            ("encodec", FIRST): {"pnmi": "0.28"},
            ("distilled", FIRST): {"pnmi": "0.71"},
        },
    ),
}
"""Name of a table to its number and to the figures of each role and part."""
CORPORA = {4: "VCTK", 5: "VCTK", 6: "TIMIT"}
"""Number of a table to what it was measured on, if not on LibriSpeech."""
# The teacher says more exactly than "distilled" which row of table 3 is meant; the
# paper's SpeechTokenizer elsewhere is the one with the average.
_STANDS_FOR = {"distilled": "teacher_avg"}
TITLES = {
    "mi": "MI ↑",
    "downstream_wer": "WER† % ↓",
    "wer": "WER % ↓",
    "sim": "SIM ↑",
    "visqol": "ViSQOL ↑",
    "pnmi": "PNMI ↑",
    "mushra": "MUSHRA ↑",
    "mos": "MOS ↑",
    "smos": "SMOS ↑",
}
MARK = "Paper: "
"""How the title of a column of the paper's figures begins."""


def find_row(name: str, roles: Sequence[str], part: str) -> Figures:
    """Find the paper's figures for a row; none if it has no such row.

    Args:
        name: Key of `TABLES`.
        roles: Of the row's system; `TRUTH` for the ground truth.
        part: As in `estimates`, e.g. "rvq1_8".
    """
    rows = TABLES[name][1]
    part = paper_part(part)
    candidates = sorted(roles, key=lambda role: not role.startswith("teacher"))
    for role in (*candidates, *(_STANDS_FOR.get(one, one) for one in candidates)):
        if (role, part) in rows:
            return rows[role, part]
    return {}


def paper_part(part: str) -> str:
    """Translate layers "1 to the last", and "2 to the last", to the paper's."""
    if part != SOME:
        part = re.sub(r"^(rvq1|vc_rvq2)_\d+$", r"\1_all", part)
    return part


def beside_paper(table: Table, name: str, rows: Sequence[Mapping]) -> Table:
    """Put the paper's figures into columns of their own, if any system has some.

    Args:
        table: Of ours.
        name: Key of `TABLES`.
        rows: `roles` and `part` of each row of the table.
    """
    number = TABLES[name][0]
    found = [find_row(name, row.get("roles", ()), row.get("part", "")) for row in rows]
    made = [one for one, row in zip(found, rows) if TRUTH not in row.get("roles", ())]
    titles = [one for one in TITLES if any(one in figures for figures in made)]
    if not titles:
        return table
    lines = [
        (*line, *(figures.get(one, NONE) for one in titles))
        for line, figures in zip(table.rows, found)
    ]
    note = (
        f"Columns “{MARK.strip()}” are the paper's own figures (its table {number}): "
        f"{CORPORA.get(number, 'LibriSpeech')}, full size. They tell what to expect of "
        "an order, not of a value."
    )
    return replace(
        table,
        columns=(*table.columns, *(MARK + TITLES[one] for one in titles)),
        rows=lines,
        notes=[*table.notes, note],
    )
