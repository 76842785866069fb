"""Models of the Hugging Face hub and of ESPnet's model zoo: downloading by name.

Revisions, the cache, resuming and working offline (HF_HUB_OFFLINE) are those of
`huggingface_hub`, and so is the token: it is never read here.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from pathlib import Path

from espnet_st.checkpoints.remedies import find_status, refusal

HUB_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")
"""owner/model, maybe with a revision: a branch, a tag or a commit."""

HUB_PAGE = re.compile(r"(?:https://)?huggingface\.co/?")
"""How ESPnet's model zoo says that a model is on the hub."""


def zoo_url(name: str) -> str | None:
    """Look up where ESPnet's model zoo has a model.

    Args:
        name: owner/model.

    Returns:
        The URL of its newest archive; None if the zoo does not list it, or says that
        it is on the hub.
    """
    spec = importlib.util.find_spec("espnet_model_zoo")
    if spec is None or spec.origin is None:
        return None
    table = Path(spec.origin).with_name("table.csv")
    if not table.is_file():
        return None
    with table.open(encoding="utf-8", newline="") as file:
        urls = [row["url"] for row in csv.DictReader(file) if row["name"] == name]
    return urls[-1] if urls and not HUB_PAGE.match(urls[-1]) else None


def download_snapshot(name: str) -> Path:
    """Download a model of the hub, or find it in the hub's cache.

    Args:
        name: owner/model or owner/model@revision.

    Returns:
        The directory of its files, which must stay as they are.

    Raises:
        ValueError: If it cannot be had.
    """
    from huggingface_hub import snapshot_download

    match = HUB_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of a model: expected owner/model")
    try:
        return Path(snapshot_download(match[1], revision=match[2]))
    except Exception as error:
        # Names, network, hub and disk fail in as many ways; all mean this.
        raise ValueError(f"no model {name} could be had: {explain(error)}") from error


def explain(error: Exception) -> str:
    """Say in one line why the hub refused, and what to do."""
    status = find_status(error)
    if status is not None:
        return refusal(status)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
