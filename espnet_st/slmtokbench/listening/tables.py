"""Results of a listening test on disk: JSON, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet_st.data.files import write_whole
from espnet_st.slmtokbench.bootstrap import Estimate
from espnet_st.slmtokbench.listening.answers import Key
from espnet_st.slmtokbench.listening.kinds import MUSHRA
from espnet_st.slmtokbench.listening.scores import (
    Score,
    compare_systems,
    scores_as_json,
    verdict,
)
from espnet_st.slmtokbench.listening.screening import Screened
from espnet_st.slmtokbench.report.tables import NONE, Table, to_markdown


def write_results(
    output: Path, key: Key, scores: Mapping[str, Score], screened: Screened
) -> str:
    """Write `<kind>-<test>.{json,md,csv}` and `-ratings.csv`, one rating a line.

    Returns:
        The tables in Markdown.
    """
    stem = f"{key.kind.name}-{key.test}"
    figures = scores_as_json(key, scores, screened)
    text = "\n".join(to_markdown(one) for one in make_tables(key, scores, screened))
    system_lines = [
        (
            system,
            one.mean.value,
            one.mean.low,
            one.mean.high,
            one.itu,
            one.ratings,
            len(screened.kept),
            len(key.items),
        )
        for system, one in scores.items()
    ]
    names = "system mean low high itu_half_width ratings raters items".split()
    rating_lines = [
        (number, item, system, rater.ratings[system, item])
        for number, rater in enumerate(screened.kept, 1)
        for item in key.items
        for system in key.systems
    ]
    files = {
        ".json": json.dumps(figures, indent=1, ensure_ascii=False) + "\n",
        ".md": text,
        ".csv": _csv(names, system_lines),
        "-ratings.csv": _csv(["rater", "item", "system", "rating"], rating_lines),
    }
    for end, content in files.items():
        write_whole(output / (stem + end), content.encode())
    return text


def make_tables(
    key: Key, scores: Mapping[str, Score], screened: Screened
) -> list[Table]:
    """Lay out the systems' figures, their differences, and who was left out."""
    title, raters = key.kind.title, len(screened.kept)
    notes = [
        f"{_count(raters, 'rater')}, {_count(len(key.items), 'item')}, scale "
        f"{key.kind.low} to {key.kind.high}. Intervals of 95 %: by bootstrap over "
        "raters and items at once; by Student's t over all ratings as in "
        + ("ITU-R BS.1534-3" if key.kind is MUSHRA else "ITU-T P.1401")
        + ", which takes them for independent."
    ]
    if raters == 1:
        notes.append("One rater alone: the first interval is over items only.")
    if screened.excluded:
        lines = "; ".join(
            f"{one.file.name}{f' ({one.rater})' if one.rater else ''}: {why}"
            for one, why in screened.excluded
        )
        notes.append(f"Left out: {lines}.")
    systems = Table(
        f"{title} (test {key.test})",
        ("System", f"{title} ↑ (95 %)", "± by t", "Ratings"),
        [
            (
                _cell(system),
                _interval(one.mean),
                NONE if math.isnan(one.itu) else f"{one.itu:.2f}",
                str(one.ratings),
            )
            for system, one in scores.items()
        ],
        notes,
    )
    pairs = [
        (_cell(one), _cell(other), _interval(value), _cell(verdict(one, other, value)))
        for (one, other), value in compare_systems(scores).items()
    ]
    return [
        systems,
        Table(
            f"{title}: differences",
            ("System", "less", "Difference (95 %)", "Verdict"),
            pairs,
            ["Paired: both systems were rated by the same raters on the same items."],
        ),
    ]


def _interval(value: Estimate) -> str:
    return f"{value.value:.2f} ({value.low:.2f} to {value.high:.2f})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _csv(names: Iterable[str], lines: Iterable[tuple]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    return file.getvalue()
