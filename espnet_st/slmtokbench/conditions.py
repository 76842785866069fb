"""The conditions of the benchmark: which speech, judged against what, made where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espnet_st.data.kaldi import read_table
from espnet_st.slmtokbench.scorers.base import Item, NotScored

KINDS = ("original", "resynthesis", "tts", "conversion", "voice")


@dataclass(frozen=True)
class Condition:
    """One row of a table.

    Attributes:
        key: short name, also of the cached rows.
        model: first column, e.g. "SpeechTokenizer".
        tokens: second column, e.g. "RVQ-1:8".
        kind: one of `KINDS`; "voice" is speech whose speaker alone matters (prompts,
            references, sources).
        wav_scp: the speech.
        text: what should be heard, or None for voices.
    """

    key: str
    model: str
    tokens: str
    kind: str
    wav_scp: Path
    text: Path | None

    def scorers(
        self, recognizers: tuple, speakers: tuple, quality: tuple
    ) -> tuple[str, ...]:
        """Those of the configured scorers that apply to this kind."""
        if self.kind == "voice":
            return speakers
        if self.kind == "resynthesis":
            return (*recognizers, *speakers, *quality)
        return (*recognizers, *speakers)


def list_conditions(
    codec_exp: Path,
    baseline_exp: Path | None,
    uslm_exp: Path | None,
    valle_exp: Path | None,
    test_dir: Path,
    test_set: str,
    n_q: int,
) -> list[Condition]:
    """All conditions of a recipe's layout, whether their files exist or not.

    Args:
        codec_exp: experiment of SpeechTokenizer.
        baseline_exp: of the codec without distillation, or None.
        uslm_exp: of USLM, or None.
        valle_exp: of VALL-E, or None.
        test_dir: formatted test set, with `zeroshot` and `conversion` inside.
        test_set: its name.
        n_q: layers of the codec.
    """
    text = test_dir / "text"
    whole = f"rvq1_{n_q}"
    conditions = [
        Condition(
            "groundtruth", "Groundtruth", "", "original", test_dir / "wav.scp", text
        )
    ]
    codecs = [("speechtokenizer", "SpeechTokenizer", codec_exp)]
    if baseline_exp is not None:
        codecs.append(("baseline", "EnCodec-style", baseline_exp))
    for key, model, exp in codecs:
        for tokens, part in (("RVQ-1", "rvq1"), (f"RVQ-1:{n_q}", whole)):
            scp = exp / f"decode_{part}" / test_set / "wav.scp"
            conditions.append(
                Condition(f"{key}_{part}", model, tokens, "resynthesis", scp, text)
            )
    zeroshot, conversion = test_dir / "zeroshot", test_dir / "conversion"
    for key, model, tokens, exp in (
        ("uslm", "USLM", "SpeechTokenizer", uslm_exp),
        ("valle", "VALL-E", "EnCodec-style", valle_exp),
    ):
        if exp is not None:
            scp = exp / "decode_zeroshot" / test_set / "wav.scp"
            text = zeroshot / "text"
            conditions.append(Condition(key, model, tokens, "tts", scp, text))
    if uslm_exp is not None:
        scp = zeroshot / "prompt_wav.scp"
        conditions.append(Condition("prompt", "Prompt", "", "voice", scp, None))
    for last in sorted({2, min(4, n_q), n_q}):
        part = "rvq2" if last == 2 else f"rvq2_{last}"
        scp = codec_exp / f"decode_vc_{part}" / test_set / "wav.scp"
        tokens = "RVQ-2" if last == 2 else f"RVQ-2:{last}"
        conditions.append(
            Condition(
                f"vc_{part}", "RVQ-1", tokens, "conversion", scp, conversion / "text"
            )
        )
    if uslm_exp is not None:
        scp = uslm_exp / "decode_vc_nar" / test_set / "wav.scp"
        text = conversion / "text"
        conditions.append(
            Condition("vc_nar", "RVQ-1", "USLM's NAR", "conversion", scp, text)
        )
    for key, name in (("source", "wav.scp"), ("reference", "ref_wav.scp")):
        conditions.append(
            Condition(key, key.capitalize(), "", "voice", conversion / name, None)
        )
    return conditions


def read_sources(wav_scp: Path) -> dict[str, Path]:
    """Read what `data.audio` is to read for each key of a `wav.scp`."""
    return {key: Path(source) for key, source in read_table(wav_scp).items()}


def condition_items(
    condition: Condition, wanted: list[str], originals: dict[str, Path]
) -> tuple[tuple[Item, ...], dict[str, str]]:
    """The items of a condition.

    Args:
        condition: to be measured.
        wanted: utterance ids of its sample.
        originals: utterance id to original speech.

    Returns:
        Items, and the wanted utterances that are missing with the reason.

    Raises:
        NotScored: the condition was not made.
    """
    if not condition.wav_scp.is_file():
        stage = 7 if "decode_" in str(condition.wav_scp) else 2
        raise NotScored(f"no {condition.wav_scp}; stage {stage} makes it")
    wavs = read_sources(condition.wav_scp)
    texts = read_table(condition.text) if condition.text is not None else {}
    items, missing = [], {}
    for key in wanted:
        if key not in wavs:
            missing[key] = f"not in {condition.wav_scp}"
            continue
        items.append(Item(key, wavs[key], originals.get(key), texts.get(key)))
    return tuple(items), missing
