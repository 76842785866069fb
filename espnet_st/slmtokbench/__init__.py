"""SLMTokBench: do these tokens suit a speech language model?

Paper, sections 2 and 5.
Text alignment: mutual information with the text and a downstream recogniser.
Information preserved: word error rate, speaker similarity and quality of resynthesis.
Codebooks: phone-normalized mutual information. Models come in from `espnet_st.bin`.

    from espnet_st.slmtokbench import score_tokens

scores anybody's tokens, see `token_benchmark`; it is imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from espnet_st.slmtokbench.token_benchmark import score_tokens

__all__ = ["score_tokens"]


def __getattr__(name: str) -> Any:
    """Import the benchmark when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module("espnet_st.slmtokbench.token_benchmark")
    globals()[name] = value = getattr(module, name)
    return value
