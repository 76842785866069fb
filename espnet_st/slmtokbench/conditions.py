"""The conditions of the benchmark: which speech, judged against what, made where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.recipe import Recipe
from espnet_st.slmtokbench.scorers.base import (
    QUALITY,
    RECOGNIZER,
    SPEAKER,
    Item,
    NotScored,
    Scorer,
)
from espnet_st.slmtokbench.systems import (
    LanguageModel,
    System,
    conversion_spans,
    layer_part,
    layer_title,
    resynthesis_spans,
)

SCORED_BY = {
    "original": (RECOGNIZER, SPEAKER, QUALITY),
    "resynthesis": (RECOGNIZER, SPEAKER, QUALITY),
    "tts": (RECOGNIZER, SPEAKER, QUALITY),
    "conversion": (RECOGNIZER, SPEAKER, QUALITY),
    "voice": (SPEAKER,),
}
"""Kind of condition to the kinds of scorers that apply to it."""


def applies(scorer: type[Scorer], kind: str) -> bool:
    """Tell whether a scorer applies to a kind of condition.

    Quality against the original is that of resynthesis: other speech is no copy.
    """
    if scorer.kind == QUALITY and scorer.reads_original:
        return kind == "resynthesis"
    return scorer.kind in SCORED_BY[kind]


@dataclass(frozen=True)
class Condition:
    """Describe one line of a table.

    Attributes:
        system: Key of the system that made it; what no system made is one of its own:
            "groundtruth", "prompt", "source", "reference".
        part: What of the system: "rvq1", "rvq1_8", "tts", "vc_rvq2_4"; "" for speech
            that no system made.
        model: First column, e.g. "SpeechTokenizer".
        tokens: Second column, e.g. "RVQ-1:8".
        kind: Key of `SCORED_BY`; "voice" is speech whose speaker alone matters
            (prompts, references, sources).
        wav_scp: The speech.
        text: What should be recognised, or None for voices.
        stage: Which stage of a recipe makes `wav_scp`.
        utt2src: Which original each utterance was made from; None or no such file: the
            one of its own name.
    """

    system: str
    part: str
    model: str
    tokens: str
    kind: str
    wav_scp: Path
    text: Path | None
    stage: int = 7
    utt2src: Path | None = None

    @property
    def key(self) -> str:
        """Return a short name, also of the cached scores."""
        return f"{self.system}_{self.part}" if self.part else self.system


def list_conditions(recipe: Recipe, n_q: Mapping[str, int]) -> list[Condition]:
    """List all conditions of a recipe, whether their files exist or not.

    Args:
        recipe: With the systems.
        n_q: Key of each system to the layers of its codes.
    """
    test = recipe.test_dir
    truth = Condition(
        "groundtruth",
        "",
        "Groundtruth",
        "",
        "original",
        test / "wav.scp",
        test / "text",
        stage=2,
    )
    systems = recipe.systems
    conditions = [truth]
    for system in systems:
        conditions += _resyntheses(system, recipe, n_q[system.key])
    spoken = [_zeroshot(one, one.lm, recipe) for one in systems if one.lm is not None]
    if spoken:
        prompts = test / "zeroshot" / "prompt_wav.scp"
        conditions += spoken
        conditions.append(Condition("prompt", "", "Prompt", "", "voice", prompts, None))
    converted = [
        condition
        for system in systems
        if system.conversion
        for condition in _conversions(system, recipe, n_q[system.key])
    ]
    if converted:
        conditions += converted
        for key, name in (("source", "wav.scp"), ("reference", "ref_wav.scp")):
            scp = test / "conversion" / name
            conditions.append(
                Condition(key, "", key.capitalize(), "", "voice", scp, None)
            )
    return conditions


def _made(exp: Path, what: str, recipe: Recipe) -> Path:
    """Find the index of what stage 7 made with an experiment's model."""
    return exp / f"decode_{what}" / recipe.test_set / "wav.scp"


def _resyntheses(system: System, recipe: Recipe, n_q: int) -> list[Condition]:
    return [
        Condition(
            system.key,
            layer_part(span),
            system.label,
            layer_title(span),
            "resynthesis",
            _made(system.codec_exp, layer_part(span), recipe),
            recipe.test_dir / "text",
        )
        for span in resynthesis_spans(n_q)
    ]


def _zeroshot(system: System, lm: LanguageModel, recipe: Recipe) -> Condition:
    return Condition(
        system.key,
        "tts",
        lm.label,
        system.label,
        "tts",
        _made(lm.exp, "zeroshot", recipe),
        recipe.test_dir / "zeroshot" / "text",
    )


def _conversions(system: System, recipe: Recipe, n_q: int) -> list[Condition]:
    ways = [
        (layer_part(span), layer_title(span), system.codec_exp)
        for span in conversion_spans(n_q)
    ]
    if system.lm is not None and n_q > 1:
        ways.append(("nar", f"{system.lm.label}'s NAR", system.lm.exp))
    return [
        Condition(
            system.key,
            f"vc_{part}",
            system.label,
            title,
            "conversion",
            _made(exp, f"vc_{part}", recipe),
            recipe.test_dir / "conversion" / "text",
            utt2src=recipe.test_dir / "conversion" / "utt2src",
        )
        for part, title, exp in ways
    ]


def read_sources(wav_scp: Path) -> dict[str, Path]:
    """Read what `data.audio` is to read for each key of a `wav.scp`."""
    return {key: Path(source) for key, source in read_table(wav_scp).items()}


def condition_items(
    condition: Condition, keys: list[str], originals: Mapping[str, Path]
) -> tuple[tuple[Item, ...], dict[str, str]]:
    """Collect the items of a condition.

    Args:
        condition: To be measured.
        keys: Utterance ids of its sample.
        originals: Utterance id to original speech.

    Returns:
        Items, and the utterances of the sample that are missing with the reason.

    Raises:
        NotScored: The condition was not made.
    """
    if not condition.wav_scp.is_file():
        raise NotScored(f"no {condition.wav_scp}; stage {condition.stage} makes it")
    wavs = read_sources(condition.wav_scp)
    texts = read_table(condition.text) if condition.text is not None else {}
    items, missing = [], {}
    for key in keys:
        if key not in wavs:
            missing[key] = f"not in {condition.wav_scp}"
            continue
        items.append(Item(key, wavs[key], originals.get(key), texts.get(key)))
    return tuple(items), missing
