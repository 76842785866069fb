"""Train a codec with ESPnet's `GANCodecTask`, this plugin's classes included."""

from __future__ import annotations

from collections.abc import Sequence

from espnet_st.registry import register


def main(cmd: Sequence[str] | None = None) -> None:
    """Run ESPnet's task; its own `--help` lists the options."""
    register()
    from espnet2.tasks.gan_codec import GANCodecTask

    GANCodecTask.main(cmd=cmd)


if __name__ == "__main__":
    main()
