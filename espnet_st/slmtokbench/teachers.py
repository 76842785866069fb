"""What the codecs of systems were distilled from, as their experiments say."""

from __future__ import annotations

from pathlib import Path

from espnet_st.checkpoints.loading import read_config
from espnet_st.slmtokbench.systems import System

NO_TEACHER = "-"


def teacher_of(system: System) -> tuple[str, Path | None]:
    """Find what a system's codec was distilled from.

    Returns:
        Its name for table 3, and its directory if it is one here.
    """
    path = system.codec_exp / "config.yaml"
    conf = read_config(path).get("codec_conf", {}) if path.is_file() else {}
    teacher = conf.get("teacher_conf") or {}
    if not conf.get("lambda_distill", 1) or "name" not in teacher:
        return NO_TEACHER, None
    directory = Path(teacher["name"])
    name = f"{directory.name} {teacher.get('layer', '')}".strip()
    return name, directory if directory.is_dir() else None
