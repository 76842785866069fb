"""Sharing a packed model on the Hugging Face hub.

What is uploaded are the archive's files, and the card with the name under which the
model is loaded; then `from_pretrained("owner/model")` finds it. The token is the one
that `huggingface_hub` knows (HF_TOKEN, `hf auth login`); it is never read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_st.checkpoints.archives import file_sha256, unpack_once
from espnet_st.checkpoints.card import model_card
from espnet_st.checkpoints.hub import HUB_NAME, explain
from espnet_st.checkpoints.loading import read_config
from espnet_st.checkpoints.packing import CARD, RESULTS
from espnet_st.checkpoints.scrubbing import check_bytes, places
from espnet_st.checkpoints.sources import META


class Upload(NamedTuple):
    """Holds one file to send.

    Attributes:
        name: In the repository.
        content: Where it lies, or the bytes themselves.
    """

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Count the bytes."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return self.content.stat().st_size


def plan_upload(archive: Path, name: str) -> list[Upload]:
    """List what would be sent for a packed model.

    Args:
        archive: What `packing.pack` wrote.
        name: owner/model.

    Returns:
        Its files by name, the card made for `name`.

    Raises:
        ValueError: If the archive is damaged or was not made by `pack`, names a place
            on this machine, or `name` is no name.
    """
    match = HUB_NAME.fullmatch(name)
    if match is None or match[2] is not None:
        raise ValueError(f"{name!r} is no name on a hub: expected owner/model")
    if not archive.is_file():
        raise ValueError(f"no archive {archive}: pack the model first (stage 9)")
    root = unpack_once(archive)
    meta = root / META
    content = read_config(meta) if meta.is_file() else {}
    if not {"kind", "model", "license", "espnet_st"} <= content.keys():
        raise ValueError(
            f"{archive} was not made by espnet_st.bin.pack, which knows what a card "
            "must say: pack the model with it"
        )
    results = root / RESULTS
    text = results.read_text(encoding="utf-8") if results.is_file() else ""
    files = {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    for one, path in files.items():
        check_bytes(path, one, places())
    uploads = {one: Upload(one, path) for one, path in files.items()}
    uploads[CARD] = Upload(CARD, model_card(content, name, text).encode())
    return [uploads[one] for one in sorted(uploads)]


def describe_upload(uploads: Sequence[Upload], name: str, revision: str) -> str:
    """Write what would be sent and where to, line by line.

    Args:
        uploads: What `plan_upload` gave.
        name: owner/model.
        revision: The branch.
    """
    lines = [f"to {name}, branch {revision}:"]
    for one in uploads:
        digest = "" if isinstance(one.content, bytes) else file_sha256(one.content)
        lines.append(f"  {one.size:>12,}  {one.name}  {digest and 'sha256 ' + digest}")
    lines.append(f"  {sum(one.size for one in uploads):>12,}  bytes in all")
    return "\n".join(line.rstrip() for line in lines)


def upload(
    uploads: Sequence[Upload], name: str, revision: str = "main", private: bool = False
) -> str:
    """Send a packed model to the hub, as one commit.

    A large file that got there before is not sent again: call it again after an
    interruption.

    Args:
        uploads: What `plan_upload` gave.
        name: owner/model; it is made if it is not there.
        revision: The branch; it is made if it is not there.
        private: Whether a repository that is made now is private.

    Returns:
        The commit: owner/model@commit.

    Raises:
        ValueError: If the hub refuses, or the connection fails; it says what to do.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(library_name="espnet-st")
    operations = [
        CommitOperationAdd(
            one.name,
            one.content if isinstance(one.content, bytes) else str(one.content),
        )
        for one in uploads
    ]
    try:
        api.create_repo(name, private=private, exist_ok=True)
        if revision != "main":
            api.create_branch(name, branch=revision, exist_ok=True)
        commit = api.create_commit(
            name, operations, commit_message="Upload model", revision=revision
        )
    except Exception as error:
        # Network, hub and disk fail in as many ways; all mean this.
        raise ValueError(
            f"{name} was not uploaded: {explain(error)}. What got there is not sent "
            "again"
        ) from error
    return f"{name}@{commit.oid}"
