"""Pages of listening tests, and the keys that say whose each sound is.

A page holds all it needs, sounds too, and asks no other machine for anything. Nothing
in it says which system a sound is of: that stands in the key alone.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.data.files import write_whole
from espnet_st.slmtokbench.listening.blinding import LENGTH, opaque_name, read_secret
from espnet_st.slmtokbench.listening.kinds import MUSHRA
from espnet_st.slmtokbench.listening.orders import (
    mushra_order,
    rater_rows,
    single_order,
)
from espnet_st.slmtokbench.listening.plan import Plan
from espnet_st.slmtokbench.listening.sounds import (
    PROMPT,
    RATED,
    REFERENCE,
    VOLUME,
    Name,
    Sounds,
    load_sounds,
)

ASSETS = Path(__file__).with_name("assets")
STYLES = ("page.css", "trials.css")
SCRIPTS = ("store.js", "player.js", "widgets.js", "trials.js", "app.js")
KEYS = "keys"
"""Directory of the keys, beside the pages; raters do not get it."""

GLANCE, WHOLE = 1.0, 0.9
"""Seconds of a sound that a rater who compares must hear; share of one rated alone."""

MEGA = 1e6


@dataclass(frozen=True)
class PageOptions:
    """Hold what can be chosen for a page.

    Attributes:
        seed: Of the orders.
        loudness: LUFS of all sounds.
        max_mb: Megabytes that the page may take.
        send_to: What raters are told to do with their answers.
    """

    seed: int = 0
    loudness: float = -23.0
    max_mb: float = 60.0
    send_to: str = "Send this file to the person who gave you the page."


def write_page(plan: Plan, output: Path, options: PageOptions) -> Path:
    """Write the page of a test, `<kind>-<test>.html`, and its key, `keys/...json`.

    Args:
        plan: Of the test.
        output: Directory of the pages.
        options: See `PageOptions`.

    Returns:
        The page.

    Raises:
        ValueError: If audio cannot be used, or the page would be too large.
    """
    sounds = load_sounds(plan, options.loudness)
    secret = read_secret(output / KEYS)
    ids = {
        name: opaque_name(secret, plan.kind.name, str(options.seed), *name)
        for name in sounds.sounds
    }
    test = _test(plan, sounds, ids, options)
    test["id"] = hashlib.sha256(_json(test).encode()).hexdigest()[:LENGTH]
    page = _page(plan, test).encode()
    if len(page) > options.max_mb * MEGA:
        fitting = int(len(plan.items) * options.max_mb * MEGA / len(page))
        raise ValueError(
            f"the {plan.kind.title} page of {len(plan.items)} items would take "
            f"{len(page) / MEGA:.1f} MB, more than {options.max_mb:g} MB: take "
            + (f"{fitting} items (--items), " if fitting else "shorter sounds, ")
            + "or allow more (--max_mb)"
        )
    stem = f"{plan.kind.name}-{test['id']}"
    key = _key(plan, sounds, ids, test["id"], options)
    text = json.dumps(key, indent=1, ensure_ascii=False) + "\n"
    write_whole(output / KEYS / f"{stem}.json", text.encode())
    write_whole(output / f"{stem}.html", page)
    for name, reason in sounds.exceptions.items():
        logging.warning("%s %s: %s", plan.kind.title, " ".join(name), reason)
    return output / f"{stem}.html"


def _test(
    plan: Plan, sounds: Sounds, ids: dict[Name, str], options: PageOptions
) -> dict[str, Any]:
    """Collect what the page's script reads; only opaque names are in it."""
    kind, labels = plan.kind, list(plan.systems)
    rated = [ids[RATED, label, item] for item in plan.items for label in labels]
    make_order = mushra_order if kind is MUSHRA else single_order
    rows = [
        make_order(rater, len(plan.items), len(labels), options.seed)
        for rater in range(rater_rows(len(labels)))
    ]
    about: dict[str, dict[str, str]] = {}
    for item in plan.items:
        beside = {
            role: ids[role, "", item]
            for role in (REFERENCE, PROMPT)
            if (role, "", item) in ids
        }
        context = {"text": plan.texts.get(item, ""), **beside}
        about |= {ids[RATED, label, item]: context for label in labels}
    alone = not kind.needs_reference
    return {
        "kind": kind.name,
        "low": kind.low,
        "high": kind.high,
        "labels": kind.labels,
        "question": kind.question,
        "sendTo": options.send_to,
        "volume": ids[VOLUME, "", ""],
        "rows": [[[rated[one] for one in trial] for trial in row] for row in rows],
        "about": dict(sorted(about.items())),
        "mustHear": {
            ids[name]: round(
                WHOLE * one.seconds
                if alone and name[0] == RATED
                else min(GLANCE, WHOLE * one.seconds),
                2,
            )
            for name, one in sorted(sounds.sounds.items(), key=lambda x: ids[x[0]])
        },
        "sounds": {
            ids[name]: one.address
            for name, one in sorted(sounds.sounds.items(), key=lambda x: ids[x[0]])
        },
    }


def _page(plan: Plan, test: dict[str, Any]) -> str:
    """Fill the template."""
    kind = plan.kind
    instructions = "\n".join(f"<p>{html.escape(one)}</p>" for one in kind.instructions)
    parts = {
        "STYLE": _join(STYLES),
        "INSTRUCTIONS": instructions,
        "TEST": _json(test).replace("</", "<\\/").replace("<!--", "<\\u0021--"),
        "SCRIPT": _join(SCRIPTS),
    }
    page = _join(["page.html"])
    first, *rest = page.split("{{")
    pieces = [first]
    for piece in rest:
        name, text = piece.split("}}", maxsplit=1)
        pieces += [parts[name], text]
    return "".join(pieces)


def _join(names: Sequence[str]) -> str:
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _key(
    plan: Plan, sounds: Sounds, ids: dict[Name, str], test: str, options: PageOptions
) -> dict[str, Any]:
    """Say whose each sound is."""
    return {
        "test": test,
        "kind": plan.kind.name,
        "seed": options.seed,
        "loudness": round(sounds.loudness, 2),
        "systems": list(plan.systems),
        "items": list(plan.items),
        "exceptions": {
            " ".join(filter(None, name)): why for name, why in sounds.exceptions.items()
        },
        "sounds": {
            ids[RATED, label, item]: {
                "system": label,
                "item": item,
                "source": str(source),
            }
            for label, table in plan.systems.items()
            for item, source in table.items()
        },
    }
