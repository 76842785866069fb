"""SpeechTokenizer, USLM and SLMTokBench as an ESPnet2 plugin.

    from espnet_st import AudioCoding, Text2Speech

Importing this package is light: the two classes are imported when they are first used.
Everything else is imported from its own room, and `registry` makes the models known to
ESPnet.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from espnet_st.inference.audio_coding import AudioCoding
    from espnet_st.inference.text2speech import Text2Speech

__version__ = "0.1.0"
__all__ = ["AudioCoding", "Text2Speech"]

_MODULES = {
    "AudioCoding": "espnet_st.inference.audio_coding",
    "Text2Speech": "espnet_st.inference.text2speech",
}


def __getattr__(name: str) -> Any:
    """Import a public class when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """List what the module has, the classes that are not yet imported included."""
    return sorted({*globals(), *__all__})
