"""Tables laid out as the paper's tables 2 to 6, from the benchmark's figures.

A figure that is absent is shown as "not scored"; one that has no meaning as "-".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NOT_SCORED = "not scored"
NONE = "-"
VERDICT = "Verdict"
"""Title of a column of verdicts, which the report colours."""


@dataclass(frozen=True)
class Table:
    """Hold a title, columns, rows of text, and notes beneath."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


def number(figures: Mapping, name: str, digits: int = 2) -> str:
    """Write one figure as text."""
    value = figures.get(name)
    return NOT_SCORED if value is None else f"{value:.{digits}f}"


def interval_cell(
    figures: Mapping, name: str, digits: int = 2, scale: float = 1.0
) -> str:
    """Write one figure with its interval, where it has one, as text."""
    estimate = figures.get(name)
    if estimate is None or estimate["value"] is None:
        return NOT_SCORED
    value, low, high = (estimate[part] for part in ("value", "low", "high"))
    text = f"{scale * value:.{digits}f}"
    if low is None or high is None:
        return text
    return f"{text} ({scale * low:.{digits}f}–{scale * high:.{digits}f})"


def wer_cell(figures: Mapping) -> str:
    """Write the word error rate with its 95 % interval."""
    value = figures.get("wer")
    if value is None:
        return NOT_SCORED
    return f"{value['wer']:.1f} ({value['low']:.1f}–{value['high']:.1f})"


def wer_counts(figures: Mapping) -> str:
    """Write substitutions, deletions, insertions and words."""
    value = figures.get("wer")
    if value is None:
        return NOT_SCORED
    names = ("substitutions", "deletions", "insertions", "words")
    return " / ".join(str(value[name]) for name in names)


def reconstruction_table(rows: Sequence[Mapping], quality: Mapping[str, str]) -> Table:
    """Lay out table 2. Rows hold `model`, `tokens`, `wer` and the quality scores."""
    titles = quality.values()
    columns = ("Tokenizer", "Tokens", "WER % ↓", "S / D / I / words", *titles)
    lines = []
    for row in rows:
        original = row["kind"] == "original"
        scores = [
            NONE if original and name not in row else number(row, name)
            for name in quality
        ]
        lines.append(
            (row["model"], row["tokens"], wer_cell(row), wer_counts(row), *scores)
        )
    return Table("Table 2. Speech reconstruction", columns, lines)


def benchmark_table(rows: Sequence[Mapping]) -> Table:
    """Lay out table 3. Rows hold `alignment` (a mapping) and scores of resynthesis."""
    columns = (
        "Tokenizer",
        "Tokens",
        "Teacher",
        "MI ↑",
        "WER† % ↓",
        "WER* % ↓",
        "SIM ↑",
    )
    lines = []
    for row in rows:
        start = (row["model"], row["tokens"], row.get("teacher", NONE))
        if row["kind"] == "original":
            lines.append((*start, NONE, NONE, wer_cell(row), number(row, "sim")))
            continue
        alignment = row.get("alignment") or {}
        lines.append(
            (
                *start,
                number(alignment, "mi", 1),
                number(alignment, "wer", 1),
                wer_cell(row),
                number(row, "sim"),
            )
        )
    return Table(
        "Table 3. SLMTokBench",
        columns,
        lines,
        [
            "MI: mutual information of tokens and text, nats per utterance. WER†: "
            "downstream BLSTM-CTC model on tokens. WER* and SIM: recogniser and "
            "speaker similarity on resynthesized speech.",
            *infeasible_pairs(rows),
        ],
    )


def infeasible_pairs(rows: Sequence[Mapping]) -> list[str]:
    """Say how many pairs of codes and text the mutual information leaves out."""
    counts = []
    for row in rows:
        alignment = row.get("alignment") or {}
        if "pairs_left_out" in alignment:
            left_out = alignment["pairs_left_out"]
            total = left_out + alignment["pairs"]
            counts.append(f"{row['model']} {row['tokens']}: {left_out} of {total}")
    if not counts:
        return []
    return [
        "Pairs that MI leaves out, because their text has no CTC path through so few "
        f"frames: {'; '.join(counts)}."
    ]


def zeroshot_table(rows: Sequence[Mapping]) -> Table:
    """Lay out table 4. Rows hold `wer`, `sim`, `contrast`, maybe `wer_above`."""
    columns = (
        "Model",
        "Tokenizer",
        "WER % ↓",
        "S / D / I / words",
        "SIM to prompt ↑",
        "SIM to its voice ↑",
        "SIM to other voices",
        "Nearest voice is the prompt's, % ↑",
    )
    lines = []
    for row in rows:
        contrast = row.get("contrast") or {}
        lines.append(
            (
                row["model"],
                row["tokens"],
                wer_cell(row),
                wer_counts(row),
                number(row, "sim"),
                number(contrast, "own"),
                number(contrast, "others"),
                number(contrast, "nearest", 0),
            )
        )
    notes = [
        comparison(f"{row['model']} on {row['tokens']}", other, above)
        for row in rows
        for other, above in row.get("wer_above", {}).items()
    ]
    return Table("Table 4. Zero-shot text-to-speech", columns, lines, notes)


def comparison(model: str, other: str, above: Mapping) -> str:
    """Say in words what a paired comparison of word error rates gave."""
    low, high = above["low"], above["high"]
    if low <= 0 <= high:
        verdict = f"neither {model} nor {other} is better for certain"
    else:
        verdict = f"{other if low > 0 else model} is better"
    return (
        f"By word errors {verdict}: {model}'s rate less {other}'s is "
        f"{above['points']:.1f} points (95 %: {low:.1f} to {high:.1f}, paired "
        f"bootstrap over {above['utterances']} utterances)."
    )


def conversion_table(rows: Sequence[Mapping]) -> Table:
    """Lay out table 5. Rows hold `wer`, `sim` (to the reference) and `sim_source`."""
    columns = (
        "Tokenizer",
        "Source",
        "Reference",
        "WER % ↓",
        "SIM to reference ↑",
        "SIM to source",
    )
    lines = []
    for row in rows:
        original = row["kind"] == "original"
        lines.append(
            (
                row["model"],
                "" if original else "RVQ-1",
                row["tokens"],
                wer_cell(row),
                number(row, "sim"),
                NONE if original else number(row, "sim_source"),
            )
        )
    return Table(
        "Table 5. One-shot voice conversion",
        columns,
        lines,
        [
            "Groundtruth: word error rate of the source recordings; similarity of "
            "different recordings of one speaker."
        ],
    )


def codebook_table(rows: Sequence[Mapping]) -> Table:
    """Lay out table 6. Rows hold `model`, `tokens`, `set` and the figures of `pnmi`."""
    columns = (
        "Tokenizer",
        "Tokens",
        "Set",
        "PNMI ↑",
        "Phone purity ↑",
        "Cluster purity ↑",
        "Codes used",
        "Entropy, bits",
        "Frames",
    )
    lines = []
    for row in rows:
        used = row.get("used")
        lines.append(
            (
                row["model"],
                row["tokens"],
                row["set"],
                interval_cell(row, "pnmi", 3),
                interval_cell(row, "phone_purity", 3),
                interval_cell(row, "cluster_purity", 3),
                NOT_SCORED if used is None else f"{used} / {row['codebook_size']}",
                number(row, "entropy"),
                number(row, "frames", 0),
            )
        )
    return Table(
        "Table 6. Codes and phones",
        columns,
        lines,
        [
            "PNMI grows with few frames per code: compare sets of like size. The "
            "paper counts the training set."
        ],
    )


def scorer_table(scorers: Sequence[tuple[str, str, str]]) -> Table:
    """Lay out which scorers ran, or why not: rows of (scorer, measures, state)."""
    return Table("Scorers", ("Scorer", "Measures", "State"), list(scorers))


def to_markdown(table: Table) -> str:
    """Write a table as GitHub shows it, with title and notes."""
    lines = [f"### {table.title}", "", "|" + "|".join(table.columns) + "|"]
    lines.append("|" + "---|" * len(table.columns))
    lines += ["|" + "|".join(row) + "|" for row in table.rows]
    for note in table.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"
