"""Intervals of PNMI and purities over utterances.

Each is a mean over frames of something that depends on the table of counts: PNMI is the
mean of log p(phone, code) / (p(phone) p(code)) over the mean of -log p(phone), purities
are means of "is it the commonest?". The draws weigh utterances in these means and leave
the table as it is. That is the figure's first-order expansion, so the interval has the
right width; and it has the figure in its middle, while a table counted again in each
draw has fewer different frames in it than the corpus, which lifts mutual information
above the figure itself (Miller, "Note on the bias of information estimates", 1955).
Where two codes of a phone are about as common, the interval of cluster purity is up to
a quarter wider than it had to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from espnet_st.slmtokbench.tokens.pnmi import CodePhoneCounts, FrameLabels

Terms = dict[str, dict[str, tuple[float, float]]]
"""Figure to utterance id to what `shares` divides."""


def phone_terms(
    codes: Mapping[str, Sequence[int] | np.ndarray],
    labels: FrameLabels,
    table: CodePhoneCounts,
) -> Terms:
    """Compute what each utterance adds to PNMI and purities, for `shares`.

    Args:
        codes: Utterance id to the codes of one layer, (T,).
        labels: Phones of the frames.
        table: Counts over these utterances, `CodePhoneCounts.count_labels`.

    Returns:
        Terms of `pnmi`, `phone_purity` and `cluster_purity`; the shares' values are
        those of `CodePhoneCounts.summary`. Utterances without a phone are left out.

    Raises:
        ValueError: No frame has a phone.
    """
    table.summary()  # refuses a table without frames
    joint = table.counts / table.counts.sum()
    phone, code = joint.sum(axis=1), joint.sum(axis=0)
    by_cell = np.zeros((*joint.shape, 4))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_cell[..., 0] = np.log(joint / np.outer(phone, code))
        by_cell[..., 1] = -np.log(phone)[:, None]
    by_cell[joint.argmax(axis=0), np.arange(len(code)), 2] = 1.0
    by_cell[np.arange(len(phone)), joint.argmax(axis=1), 3] = 1.0
    terms: Terms = {"pnmi": {}, "phone_purity": {}, "cluster_purity": {}}
    for key, rows in labels.rows.items():
        known = rows >= 0
        if not known.any():
            continue
        line = np.asarray(codes[key], dtype=np.int64)
        information, surprise, commonest, cluster = by_cell[
            rows[known], line[known]
        ].sum(axis=0)
        n = float(known.sum())
        terms["pnmi"][key] = (information, surprise)
        terms["phone_purity"][key] = (commonest, n)
        terms["cluster_purity"][key] = (cluster, n)
    return terms
