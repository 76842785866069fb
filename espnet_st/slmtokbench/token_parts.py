"""The three parts of the benchmark of anybody's tokens: codes, text, speech."""

from __future__ import annotations

from pathlib import Path

from espnet_st.data.audio import load_audio
from espnet_st.slmtokbench.adapter_runs import adapter_tokenizer
from espnet_st.slmtokbench.cache import ScoreCache
from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.samples import sample_keys
from espnet_st.slmtokbench.token_inputs import Tokens
from espnet_st.slmtokbench.token_results import KEY, Parts
from espnet_st.slmtokbench.token_sets import TokenSet
from espnet_st.slmtokbench.token_speech import score_resynthesis
from espnet_st.slmtokbench.token_text import align_tokens
from espnet_st.slmtokbench.tokens.code_scores import CodeScores, score_codes
from espnet_st.slmtokbench.tokens.coded_set import CodedSet


def measure(
    tokens: Tokens, config: BenchmarkConfig, output: Path, nj: int, device: str
) -> Parts:
    """Measure all that the input allows."""
    cache = ScoreCache(output / "cache")
    parts = Parts(codes=_codes(tokens, config))
    parts.estimates |= parts.codes.estimates
    parts.not_scored |= {
        name: needed(reason) for name, reason in parts.codes.missing.items()
    }
    align_tokens(parts, tokens, config, output, cache, device)
    score_resynthesis(parts, tokens, config, output, cache, nj)
    return parts


def needed(reason: str) -> str:
    """Name the option that gives what a figure of codes lacks."""
    options = {
        "needs phone times": "needs --phones",
        "needs speakers": "needs --utt2spk",
        "needs the codebooks' vectors": "needs --embeddings",
        "needs a tokenizer": "needs --model",
    }
    return options.get(reason, reason)


def _coded(one: TokenSet, tokens: Tokens) -> CodedSet:
    return CodedSet.of(one.codes, tokens.sizes, tokens.frame_rate)


def _codes(tokens: Tokens, config: BenchmarkConfig) -> CodeScores:
    wanted = list(config.code_figures)
    tokenizer, speech = None, None
    if tokens.adapter is not None:
        wanted += [name for name in ("stability", "speed") if name not in wanted]
        tokenizer = adapter_tokenizer(tokens.adapter)
        keys = sample_keys(
            set(tokens.audio) & set(tokens.scored.codes),
            config.tokenizer_utterances,
            config.seed,
        )
        rate = tokens.adapter.sample_rate
        speech = {key: load_audio(tokens.audio[key], rate).numpy() for key in keys}
    train = tokens.train if tokens.own_train else None
    return score_codes(
        _coded(tokens.scored, tokens),
        key=KEY,
        phones=tokens.phones,
        speakers=tokens.speakers,
        train=None if train is None else _coded(train, tokens),
        codebooks=tokens.embeddings,
        tokenizer=tokenizer,
        speech=speech,
        wanted=wanted,
        seed=config.seed,
    )
