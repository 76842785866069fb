"""Add this plugin's classes to the choices of ESPnet's tasks."""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any

from espnet_st.lazy import import_lazily

FRONTEND = ("frontend_choices", "speechtokenizer", "frontend.asr:ASRFrontend")
TOKENS = ("frontend_choices", "speechtokenizer", "frontend.mt:TokenFrontend")
FEATURES = ("feats_extractor_choices", "speechtokenizer", "frontend.tts:TTSFeatures")

ADDED: dict[str, list[tuple[str, str, str]]] = {
    "espnet2.tasks.gan_codec": [
        ("codec_choices", "speechtokenizer", "codec.speechtokenizer:SpeechTokenizer"),
        ("codec_choices", "hubert_units", "codec.hubert_units:HubertUnits"),
    ],
    "espnet2.tasks.tts": [("tts_choices", "uslm", "uslm.uslm:USLM"), FEATURES],
    "espnet2.tasks.mt": [TOKENS],
    **{
        f"espnet2.tasks.{name}": [FRONTEND]
        for name in ("asr", "asr_transducer", "s2t", "s2t_ctc", "slu", "st")
    },
    "espnet2.speechlm.model.speechlm.speechlm_job": [
        ("_multimodal_ios", "discrete_audio", "frontend.speechlm:SpeechLMAudioIO")
    ],
}
"""What ESPnet's modules get: an attribute, a name among its choices, and a class."""

VOCODED = {"espnet2.tasks.tts": "TTSTask", "espnet2.tasks.tts2": "TTS2Task"}
"""ESPnet's tasks that take our decoder as a vocoder, see `frontend.vocoder`."""

COMMANDS = {"espnet2.bin.gan_codec_inference": "espnet_st.bin.gan_codec_inference"}
"""Commands of ESPnet that ours stand in for, with the same options and files."""


def register() -> None:
    """Make this plugin's classes known to ESPnet's tasks.

    A task that is imported already gets them at once, another one as soon as it is. A
    second call changes nothing. The processes that this one spawns know them as well:
    of several GPUs each has its own.
    """
    import_lazily("g2p_en")
    for name in {**ADDED, **VOCODED}:
        if name in sys.modules:
            _add_classes(sys.modules[name])
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    # A spawned process imports afresh. ESPnet hands it the parsed options.
    ForkingPickler.register(Namespace, _reduce_options)


class _Finder(MetaPathFinder):
    """Find ESPnet's tasks as Python does, and add classes once they are executed."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a task's module; leave all others to Python."""
        if fullname not in ADDED and fullname not in VOCODED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_add(module: ModuleType) -> None:
                execute(module)
                _add_classes(module)

            spec.loader.exec_module = execute_and_add  # type: ignore[method-assign]
        return spec


def _add_classes(module: ModuleType) -> None:
    for choices, name, target in ADDED.get(module.__name__, []):
        room, _, attribute = target.partition(":")
        ours = importlib.import_module(f"espnet_st.{room}")
        if hasattr(ours, attribute):  # else it is importing `module`, and adds itself
            known = getattr(module, choices)
            classes = getattr(known, "classes", known)  # ClassChoices, or a mapping
            classes[name] = getattr(ours, attribute)
    if module.__name__ in VOCODED:
        vocoder = importlib.import_module("espnet_st.frontend.vocoder")
        vocoder.add_vocoder(getattr(module, VOCODED[module.__name__]))


def _reduce_options(options: Namespace) -> tuple[Any, ...]:
    return _restore_options, (vars(options),)


def _restore_options(values: dict[str, Any]) -> Namespace:
    """Restore the options that a process was spawned with, and register there."""
    register()
    return Namespace(**values)
