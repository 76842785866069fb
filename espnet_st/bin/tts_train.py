"""Train a TTS model with ESPnet: `TTSTask`, this plugin's classes and trainer."""

from __future__ import annotations

from collections.abc import Sequence

from espnet_st.bin.options import check_ngpu
from espnet_st.registry import register


def main(cmd: Sequence[str] | None = None) -> None:
    """Run the task; its own `--help` lists the options."""
    check_ngpu(cmd)
    register()
    from espnet_st.tasks.tts import USLMTask

    USLMTask.main(cmd=cmd)


if __name__ == "__main__":
    main()
