"""Finds the adapter of a source: every module of this package may hold one."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from espnet_st.slmtokbench.adapters.base import ADAPTERS, Adapter


def all_adapters() -> dict[str, type[Adapter]]:
    """Return every adapter by name."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{package}.{module.name}")
    return dict(sorted(ADAPTERS.items()))


def find_adapter(source: str | Path, name: str | None = None) -> type[Adapter]:
    """Find the adapter of a source.

    Args:
        source: A directory, a file or a name.
        name: Of the adapter, to force it.

    Raises:
        ValueError: If no adapter has this name, or none takes the source.
    """
    adapters = all_adapters()
    if name is not None:
        if name not in adapters:
            raise ValueError(
                f"unknown adapter {name!r}; expected one of {', '.join(adapters)}"
            )
        return adapters[name]
    for adapter in adapters.values():
        if adapter.recognizes(Path(source)):
            return adapter
    taken = "; ".join(f"{a.name}: {a.describes}" for a in adapters.values())
    raise ValueError(
        f"no adapter takes {source}. Expected one of these, or force one by its name. "
        f"{taken}"
    )


def load_adapter(
    source: str | Path, name: str | None = None, device: str = "cpu"
) -> Adapter:
    """Load a tokenizer.

    Args:
        source: A directory, a file or a name.
        name: Of the adapter, to force it.
        device: Where to run.

    Raises:
        ValueError: If no adapter takes the source, or it cannot be loaded.
    """
    return find_adapter(source, name)(str(source), device)
