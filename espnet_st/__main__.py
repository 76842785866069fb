"""Run Python with this plugin registered in ESPnet: `python -m espnet_st`.

A stock ESPnet recipe takes the plugin with `--python "python3 -m espnet_st"`.
"""

from __future__ import annotations

import os
import runpy
import sys

from espnet_st.registry import COMMANDS, register

USAGE = "usage: python -m espnet_st (-m MODULE | -c CODE | SCRIPT) [ARGUMENT ...]"


def main(arguments: list[str]) -> None:
    """Run a module, a piece of code or a script as Python itself would.

    Args:
        arguments: The words after `python -m espnet_st`.

    Raises:
        SystemExit: With the usage, if they name nothing to run.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.exit(USAGE)
    kind, rest = arguments[0], arguments[1:]
    if kind in ("-m", "-c") and not rest:
        sys.exit(USAGE)
    register()
    if kind == "-m":
        sys.argv = rest
        sys.path[0] = os.getcwd()
        module = COMMANDS.get(rest[0], rest[0])
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path[0] = os.getcwd()
        namespace = {"__name__": "__main__"}
        exec(compile(rest[0], "<string>", "exec"), namespace)
    else:
        sys.argv = arguments
        sys.path[0] = os.path.dirname(os.path.abspath(kind))
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
