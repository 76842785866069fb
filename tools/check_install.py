#!/usr/bin/env python3
"""Print what espnet-st needs, the versions found, and what is missing.

Exits with 1 when something is missing or does not load. The requirements are those of
setup.py, as the installed package states them for this Python.
"""

import argparse
import importlib
import importlib.metadata as metadata
import platform
import shutil
import sys

COMMANDS = {
    "espeak-ng": "voices and phonemes",
    "flite": "voices of the mini corpus",
    "festival": "voice of the mini corpus",
}
# Compiled against one another or a library of this machine: they may fail to load,
# whatever their versions say.
COMPILED = {"torch", "torchaudio", "soundfile"}


def rows(extras: set[str]) -> list[tuple[str, str, str, str]]:
    """Compare each requirement with what is installed.

    Args:
        extras: Extras of setup.py to look at, beside the runtime requirements.

    Returns:
        (name, expected, found, state) of each.

    Raises:
        ValueError: If espnet-st itself is not installed.
    """
    try:
        requirements = metadata.requires("espnet_st") or []
    except metadata.PackageNotFoundError:
        raise ValueError(
            f"espnet_st is not installed for {sys.executable}: run tools/install.sh."
        ) from None
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    expected = SpecifierSet(metadata.metadata("espnet_st")["Requires-Python"])
    found = platform.python_version()
    good = expected.contains(found, prereleases=True)
    table = [("python", str(expected), found, _state(good, found))]
    for requirement in map(Requirement, requirements):
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        try:
            found = metadata.version(requirement.name)
            good = requirement.specifier.contains(found, prereleases=True)
            state = _state(good, found)
            if good and requirement.name in COMPILED:
                importlib.import_module(requirement.name)
        except metadata.PackageNotFoundError:
            found, state = "-", "missing"
        except (ImportError, OSError) as error:
            state = f"does not load: {error}"
        table.append((requirement.name, str(requirement.specifier), found, state))
    for command, purpose in COMMANDS.items():
        path = shutil.which(command)
        table.append((command, purpose, path or "-", _state(path is not None)))
    return table


def _state(good: bool, found: str | None = None) -> str:
    """Say in a word whether a requirement is met."""
    if good:
        return "ok"
    return "missing" if found is None else "wrong version"


def main() -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--extras", default="teacher,g2p,eval", help="extras of setup.py"
    )
    args = parser.parse_args()
    try:
        table = rows({"", *args.extras.split(",")})
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    bad = [row[0] for row in table if row[3] != "ok"]
    if bad:
        sys.stdout.write(f"Not met: {', '.join(bad)}. Run tools/install.sh.\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
