"""Add this plugin's classes to the choices of ESPnet's tasks."""

from __future__ import annotations

from argparse import Namespace
from multiprocessing.reduction import ForkingPickler
from typing import Any

from espnet_st.lazy import import_lazily


def register() -> None:
    """Make `codec: speechtokenizer` and `tts: uslm` known to ESPnet.

    A second call changes nothing. The first one imports ESPnet's task modules, which
    is slow: training needs it, encoding and decoding do not.

    The processes that this one spawns know them as well: of several GPUs each has its
    own.
    """
    import_lazily("g2p_en")
    from espnet2.tasks.gan_codec import codec_choices
    from espnet2.tasks.tts import tts_choices

    from espnet_st.codec.speechtokenizer import SpeechTokenizer
    from espnet_st.uslm.uslm import USLM

    codec_choices.classes["speechtokenizer"] = SpeechTokenizer
    tts_choices.classes["uslm"] = USLM
    # A spawned process imports afresh. ESPnet hands it the parsed options.
    ForkingPickler.register(Namespace, _reduce_options)


def _reduce_options(options: Namespace) -> tuple[Any, ...]:
    return _restore_options, (vars(options),)


def _restore_options(values: dict[str, Any]) -> Namespace:
    """Restore the options that a process was spawned with, and register there."""
    register()
    return Namespace(**values)
