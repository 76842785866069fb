"""The tiny USLM."""

from uslm_fixtures import model, tiny

__all__ = ["model", "tiny"]
