"""Add this plugin's classes to the choices of ESPnet's tasks."""

from __future__ import annotations

from espnet_st.lazy import import_lazily


def register() -> None:
    """Make `codec: speechtokenizer` and `tts: uslm` known to ESPnet.

    A second call changes nothing. The first one imports ESPnet's task modules, which
    is slow: training needs it, encoding and decoding do not.
    """
    import_lazily("g2p_en")
    from espnet2.tasks.gan_codec import codec_choices
    from espnet2.tasks.tts import tts_choices

    from espnet_st.codec.speechtokenizer import SpeechTokenizer
    from espnet_st.uslm.uslm import USLM

    codec_choices.classes["speechtokenizer"] = SpeechTokenizer
    tts_choices.classes["uslm"] = USLM
