"""A table of recognisers by word errors on one set, from their transcripts."""

from __future__ import annotations

from collections.abc import Mapping

from espnet_st.slmtokbench.report.tables import (
    Table,
    comparison,
    wer_cell,
    wer_counts,
)
from espnet_st.slmtokbench.scorers.wer import corpus_wer, wer_difference


def recognition_table(
    title: str,
    references: Mapping[str, str],
    systems: Mapping[str, Mapping[str, str]],
    seed: int = 0,
) -> Table:
    """Score recognisers against the same references, and each against the first.

    Args:
        title: Title of the table.
        references: Utterance id to words.
        systems: Label of a recogniser to its words by utterance id; all utterances of
            the references, an utterance in which nothing was recognised with "".
        seed: Seed of the bootstrap over utterances.

    Returns:
        A row per recogniser, its word error rate with a 95 % interval; notes compare
        each with the first by the paired bootstrap.

    Raises:
        ValueError: If a recogniser lacks an utterance or has one without a reference,
            or there is no word in the references.
    """
    rows: list[tuple[str, ...]] = []
    notes = []
    names = list(systems)
    for name, words in systems.items():
        if missing := sorted(references.keys() - words.keys()):
            raise ValueError(
                f"{name} has no transcript of {len(missing)} of {len(references)} "
                f"utterances, e.g. {missing[0]}; expected one of each, decode them "
                "first"
            )
        figures = {"wer": corpus_wer(dict(references), dict(words), seed)}
        count = str(figures["wer"]["utterances"])
        rows.append((name, wer_cell(figures), wer_counts(figures), count))
        if name != names[0]:
            first = dict(systems[names[0]])
            above = wer_difference(dict(references), dict(words), first, seed)
            notes.append(comparison(name, names[0], above))
    columns = ("System", "WER % ↓", "S / D / I / words", "Utterances")
    return Table(title, columns, rows, notes)
