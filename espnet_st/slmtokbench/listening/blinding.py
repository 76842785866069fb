"""Names that tell nothing: keyed hashes of what a sound is, and the key they need."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

SECRET_FILE = "secret"
LENGTH = 16
"""Hexadecimal digits of a name: 64 bits."""


def read_secret(directory: Path) -> bytes:
    """Read the secret of a directory of keys; it is made where there is none.

    The same secret gives the same names, so a page that is written again is the same
    page, and the answers that it brought stay valid.

    Raises:
        ValueError: If the file holds something else.
    """
    path = directory / SECRET_FILE
    if not path.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, mode, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; expected hexadecimal digits") from None
    if len(secret) < 32:
        raise ValueError(f"{path}: {len(secret)} bytes; expected 32: remove the file")
    return secret


def opaque_name(secret: bytes, *parts: str) -> str:
    """Hash what a sound is into a name of `LENGTH` digits."""
    message = "\0".join(parts).encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:LENGTH]
