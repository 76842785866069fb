"""Where a verb's results go: a file, a directory or standard output."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from espnet_st.data.corpus import Utterance
from espnet_st.data.files import write_whole
from espnet_st.data.kaldi import file_of_key

STANDARD_OUTPUT = "-"


class Output(NamedTuple):
    """Where results go.

    Attributes:
        path: A file or a directory; None for standard output.
        is_directory: Whether it takes a file of each input.
    """

    path: Path | None
    is_directory: bool = False

    def write(self, content: bytes) -> None:
        """Write the one result; a file is there whole or not at all."""
        if self.path is None:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            write_whole(self.path, content)


def choose_output(
    text: str | None,
    inputs: Mapping[str, Utterance],
    from_stdin: bool,
    end: str,
    tag: str = "",
) -> Output:
    """Find out where results go, and that they can.

    Args:
        text: What the user gave for `-o`, if anything.
        inputs: What the verb is done to.
        from_stdin: Whether that came on standard input.
        end: How a file of a result is named, `.wav` say.
        tag: What a file is named behind the input's name, if the user names none.

    Raises:
        ValueError: If several results would go to one place, the name ends otherwise,
            a file would replace its input, or nothing can be written there.
    """
    if text is None:
        text = STANDARD_OUTPUT if from_stdin else _default(inputs, end, tag)
    path = Path(text)
    if text == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            raise ValueError("-o - is your terminal: use a pipe, or give -o FILE")
        output = Output(None)
    elif path.is_dir() or text.endswith("/") or not path.suffix:
        output = Output(path, is_directory=True)
    elif path.suffix == end:
        output = Output(path)
    else:
        raise ValueError(
            f"-o {text} ends in {path.suffix}; expected a name in {end}, a directory "
            f"({text}/) or -"
        )
    if output.is_directory and from_stdin:
        raise ValueError(
            f"-o {text} is a directory: of - there is no name; give a file"
        )
    if not output.is_directory and len(inputs) > 1:
        raise ValueError(f"{len(inputs)} inputs and one -o {text}: give a directory")
    for key, utterance in inputs.items():
        file = file_of_key(path, key, end) if output.is_directory else path
        if file.is_file() and file.resolve() == Path(utterance.source).resolve():
            raise ValueError(
                f"-o {text} would replace the input {file}: name another place"
            )
    if output.path is not None:
        _check_writable(path if output.is_directory else path.parent)
    return output


def _default(inputs: Mapping[str, Utterance], end: str, tag: str) -> str:
    if len(inputs) > 1:
        raise ValueError(f"{len(inputs)} inputs: give -o DIRECTORY")
    (key,) = inputs
    return str(file_of_key(".", Path(key).name + tag, end))


def _check_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ValueError(f"cannot write to {directory}: {error.strerror}") from error
