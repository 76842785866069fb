"""Tables of what `score_codes` finds, beyond the paper's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_st.slmtokbench.report.tables import NONE, NOT_SCORED, Table, interval_cell
from espnet_st.slmtokbench.tokens.stability import PADDING

Figures = Mapping[str, Mapping[str, Any]]
"""Label of a system to its figures, as `score_codes` returns them."""


def code_tables(systems: Figures) -> dict[str, Table]:
    """Lay out the figures of codes; a table of which nothing was scored is left out."""
    tables = {}
    for name, needs, lay_out in (
        ("code_layers", {"usage"}, layers_table),
        ("code_rates", {"usage", "unit_lm"}, rates_table),
        ("code_contents", {"voices", "abx"}, contents_table),
        ("code_stability", {"stability"}, stability_table),
        ("code_speed", {"speed"}, speed_table),
    ):
        if any(needs & set(figures) for figures in systems.values()):
            tables[name] = lay_out(systems)
    return tables


def layers_table(systems: Figures) -> Table:
    """Lay out PNMI and usage of every layer."""
    lines = []
    for label, figures in systems.items():
        usage = figures.get("usage", {}).get("layers", [])
        phones = figures.get("phones", {}).get("layers", [{}] * len(usage))
        for number, (used, known) in enumerate(zip(usage, phones), 1):
            lines.append(
                (
                    label,
                    f"RVQ-{number}",
                    interval_cell(known, "pnmi", 3),
                    interval_cell(known, "phone_purity", 3),
                    f"{used['used']} / {used['codebook_size']}",
                    interval_cell(used, "entropy", 2),
                    f"{used['perplexity']:.0f}",
                )
            )
    return Table(
        "Codes by layer",
        (
            "Tokenizer",
            "Layer",
            "PNMI ↑",
            "Phone purity ↑",
            "Codes used",
            "Entropy, bits",
            "Perplexity",
        ),
        lines,
        ["Codes that were never used are listed in scores.json."],
    )


def rates_table(systems: Figures) -> Table:
    """Lay out tokens and bits per second, and the unit language model."""
    lines = []
    for label, figures in systems.items():
        rates = figures.get("usage")
        model = figures.get("unit_lm", {})
        names = (
            ("frame_rate", 1),
            ("tokens_per_second", 0),
            ("deduplicated_tokens_per_second", 0),
            ("bit_rate", 0),
            ("entropy_bit_rate", 0),
        )
        lines.append(
            (
                label,
                *(
                    NOT_SCORED if rates is None else f"{rates[name]:.{digits}f}"
                    for name, digits in names
                ),
                interval_cell(model, "perplexity", 1),
                interval_cell(model, "bits_per_second", 0),
            )
        )
    return Table(
        "Rates of codes, and a language model of the first layer",
        (
            "Tokenizer",
            "Frames / s",
            "Tokens / s",
            "without repeats",
            "Bits / s",
            "by entropy",
            "Perplexity ↓ of RVQ-1",
            "its bits / s ↓",
        ),
        lines,
        [
            "Without repeats: a run of one code in a layer counts once. By entropy: "
            "each code coded on its own, by how often it comes. Perplexity per code of "
            "an interpolated n-gram model of the first layer, trained on the training "
            "set; its bits per second compare tokens of different rates and sizes."
        ],
    )


def contents_table(systems: Figures) -> Table:
    """Lay out the number beside figure 4, and ABX."""
    lines = []
    for label, figures in systems.items():
        voices = figures.get("voices")
        abx = figures.get("abx")
        lines.append((label, *_voice_cells(voices), *_abx_cells(abx)))
    return Table(
        "Voices and phones in the vectors of codes",
        (
            "Tokenizer",
            "Nearest voice, % of RVQ-1",
            "of the other layers",
            "by chance",
            "ABX % ↓ within speakers, RVQ-1",
            "across speakers, RVQ-1",
            "within, all layers",
            "across, all layers",
        ),
        lines,
        [
            "Nearest voice: how often the nearest other utterance, by mean-pooled "
            "vectors, is of the same speaker; RVQ-1 had better not know. ABX: how "
            "often a triphone is nearer to one with another middle phone; 50 by chance."
        ],
    )


def _voice_cells(voices: Mapping[str, Any] | None) -> list[str]:
    if voices is None:
        return [NOT_SCORED] * 3
    parts = list(voices.values())  # the first layer, and the others if there are any
    cells = [interval_cell(part, "accuracy", 0, scale=100) for part in parts]
    return [*cells, *[NONE] * (2 - len(parts)), f"{100 * parts[0]['chance']:.0f}"]


def _abx_cells(abx: Mapping[str, Any] | None) -> list[str]:
    if abx is None:
        return [NOT_SCORED] * 4
    parts = [abx[name] for name in abx if name.startswith("rvq")]
    errors = [part[mode] for part in parts for mode in ("within", "across")]
    cells = [NONE if e is None else f"{100 * e:.1f}" for e in errors]
    return cells + [NONE] * (4 - len(cells))


def stability_table(systems: Figures) -> Table:
    """Lay out which share of the first and of the last layer's codes stays."""
    names = list(
        dict.fromkeys(name for f in systems.values() for name in f.get("stability", {}))
    )
    lines: list[tuple[str, ...]] = []
    for label, figures in systems.items():
        found = figures.get("stability")
        if found is None:
            lines.append((label, "RVQ-1", *[NOT_SCORED] * len(names)))
            continue
        layers = [part for part in found[names[0]] if part != "all"]
        for part in dict.fromkeys((layers[0], layers[-1])):
            cells = (interval_cell(found[n], part, 0, scale=100) for n in names)
            lines.append((label, part.upper().replace("RVQ", "RVQ-"), *cells))
    return Table(
        "Stability of codes: which % of them stay, ↑",
        ("Tokenizer", "Layer", *(name.replace("_", " ") for name in names)),
        lines,
        [
            "Shift: speech without its first sample, quarter, half or whole frame. "
            f"Zeros: {PADDING} frames of silence before or after. SNR: white noise, dB."
        ],
    )


def speed_table(systems: Figures) -> Table:
    """Lay out real-time factors."""
    lines = []
    for label, figures in systems.items():
        found = figures.get("speed")
        if found is None:
            lines.append((label, *[NOT_SCORED] * 4))
            continue
        decode = found["decode_rtf"]
        lines.append(
            (
                label,
                f"{found['encode_rtf']:.4f}",
                NONE if decode is None else f"{decode:.4f}",
                f"{found['seconds']:.0f}",
                str(found["threads"]),
            )
        )
    return Table(
        "Speed of tokenizers",
        ("Tokenizer", "RTF of encoding ↓", "RTF of decoding ↓", "Seconds", "Threads"),
        lines,
        [
            "Seconds of processor time per second of speech, one utterance at a time; "
            "median of several passes that take turns."
        ],
    )
