"""Where teachers come from, and how to tell by a name.

A new source is a module with `load(name) -> Backbone`, an entry here and a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from espnet_st.codec.teacher import espnet_ssl, hugging_face, torchaudio_bundle
from espnet_st.codec.teacher.backbones import Backbone


class Source(NamedTuple):
    """A library that models come from.

    Attributes:
        knows: Tells whether a name is of this kind.
        load: Loads a model by its name, strictly; ValueError if it cannot.
    """

    knows: Callable[[str], bool]
    load: Callable[[str], Backbone]


SOURCES = {
    "torchaudio": Source(torchaudio_bundle.is_bundle, torchaudio_bundle.load),
    "espnet": Source(espnet_ssl.is_experiment, espnet_ssl.load),
    # Any other name may be one of Hugging Face's hub.
    "hugging_face": Source(lambda name: True, hugging_face.load),
}
"""The first that knows a name loads it."""


def load_backbone(name: str) -> Backbone:
    """Load a speech model, strictly.

    Args:
        name: `torchaudio:BUNDLE`, such as `torchaudio:HUBERT_BASE`; an ESPnet SSL
            checkpoint, `DIR/x.pth` with its `config.yaml` beside, or DIR where it is
            the only one; else a directory in Hugging Face's format, or a name on its
            hub.

    Raises:
        ValueError: If there is no such model, or a part of it is missing or unknown.
    """
    source = next(source for source in SOURCES.values() if source.knows(name))
    return source.load(name)
