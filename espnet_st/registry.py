"""Adds this plugin's classes to the choices of ESPnet's tasks; eases their imports."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """A module that is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def import_lazily(name: str) -> None:
    """Let `import name` cost nothing until the module is used.

    The standard library's `LazyLoader` would not do: typeguard looks at the files of
    all modules, which wakes it.
    """
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is not None:
        sys.modules[name] = LazyModule(name)
        sys.modules[name].__spec__ = spec


def register() -> None:
    """Make `codec: speechtokenizer` and `tts: uslm` known to ESPnet; idempotent.

    Imports ESPnet's task modules, which is slow: command lines that train call it,
    encoding and decoding do not need it.
    """
    import_lazily("g2p_en")
    from espnet2.tasks.gan_codec import codec_choices
    from espnet2.tasks.tts import tts_choices

    from espnet_st.codec.speechtokenizer import SpeechTokenizer
    from espnet_st.uslm.uslm import USLM

    codec_choices.classes["speechtokenizer"] = SpeechTokenizer
    tts_choices.classes["uslm"] = USLM
