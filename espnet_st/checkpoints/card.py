"""Writing a model's card: the README.md of its archive and of its page on the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

LOAD = {
    "codec": """from espnet_st import AudioCoding

codec = AudioCoding.from_pretrained("{name}")
codes = codec.encode(wav, sample_rate=rate)  # (n_q, T)
wav = codec.decode(codes)  # at codec.sample_rate
""",
    "uslm": """from espnet_st import Text2Speech

tts = Text2Speech.from_pretrained("{name}")  # its codec comes with it
out = tts("Some text.", speech="prompt.wav", prompt_text="what the prompt says")
""",
    "asr": """from espnet_st.registry import register

register()
from espnet2.bin.asr_inference import Speech2Text

asr = Speech2Text.from_pretrained("{name}")
""",
}
"""How to load a model, by its kind."""

ESPNET = {
    "codec": "espnet2.bin.gan_codec_inference.AudioCoding",
    "uslm": "espnet2.bin.tts_inference.Text2Speech",
    "asr": "espnet2.bin.asr_inference.Speech2Text",
}
"""ESPnet's own classes that load it once the plugin is registered."""

OURS, UNITS = "speechtokenizer", "hubert_units"

TITLE = {
    "codec": "SpeechTokenizer: a neural speech codec",
    "uslm": "USLM: zero-shot text to speech over speech tokens",
    "asr": "Speech recognition over speech tokens",
}

PIPELINE = {
    "codec": "audio-to-audio",
    "uslm": "text-to-speech",
    "asr": "automatic-speech-recognition",
}

LIMITS = (
    "It was trained on speech; music and noise may come out badly. Codes of another "
    "codec mean nothing to it."
)

USE = {
    "codec": "For research: speech as discrete tokens, of which the first layer is "
    f"distilled from a semantic teacher. {LIMITS}",
    "uslm": "For research on zero-shot speech synthesis. It imitates the voice of a "
    "prompt: use a voice only with its owner's consent, and mark synthetic speech as "
    "such. It may leave out, repeat or change words; languages and styles that are not "
    "in the training data come out badly.",
    "asr": "For research. It makes errors, more of them on speech that is unlike the "
    "training data; do not rely on it where an error does harm.",
}
"""Intended use and limits."""

STOCK_TITLE = "A neural speech codec, ESPnet's {}"
STOCK_USE = f"For research: speech as discrete tokens. {LIMITS}"
"""The same of codecs whose classes are ESPnet's own."""

UNITS_TITLE = "HuBERT units and a unit vocoder"
UNITS_USE = (
    "For research: the units of a frozen speech model, which carry content, and one "
    f"voice for all speakers. {LIMITS}"
)
"""The same of codecs of units."""

FACTS = {
    "parameters": "{:,} values",
    "sample_rate": "{} Hz",
    "frame_rate": "{:g} frames per second",
    "n_q": "{} layers of codes",
    "codebook_size": "{} entries in each codebook",
}


def model_card(meta: Mapping[str, Any], name: str, results: str = "") -> str:
    """Write the card of a packed model.

    Args:
        meta: What its `meta.yaml` holds.
        name: By which it is loaded: owner/model, or the archive.
        results: Its RESULTS.md, whose tables are shown as they were measured.
    """
    kind = meta["kind"]
    title, use = TITLE[kind], USE[kind]
    codec = meta["model"].get("codec", OURS) if kind == "codec" else OURS
    if codec == UNITS:
        title, use = UNITS_TITLE, UNITS_USE
    elif codec != OURS:
        title, use = STOCK_TITLE.format(codec), STOCK_USE
    front = {
        "tags": ["espnet", "audio", "speechtokenizer", PIPELINE[kind]],
        "language": [one.strip() for one in str(meta["language"]).split(",")],
        "license": str(meta["license"]),
        "library_name": "espnet",
        "pipeline_tag": PIPELINE[kind],
    }
    facts = [
        form.format(meta["model"][key])
        for key, form in FACTS.items()
        if key in meta["model"]
    ]
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
        f"# {title}\n",
        f"{'; '.join(facts)}.\n" if facts else "",
        "## Load\n",
        "It needs the ESPnet plugin espnet-st: `pip install espnet_st`, or from its "
        "sources.\n",
        f"```python\n{LOAD[kind].format(name=name)}```\n",
        f"ESPnet's own `{ESPNET[kind]}.from_pretrained` loads it as well, after "
        "`espnet_st.registry.register()`.\n",
        f"## Use and limits\n\n{use}\n",
        f"## Training\n\nTraining data: {meta['training_data']}. The configuration is "
        f"`{next(iter(meta['yaml_files'].values()))}`.\n",
        f"## Licence\n\n{meta['license']}\n",
        f"## Results\n\n{demoted(results)}\n"
        if results
        else "## Results\n\nNone were measured.\n",
        "## Made with\n\n"
        + "".join(f"- {key} {meta[key]}\n" for key in ("espnet_st", "espnet", "torch")),
    ]
    return "\n".join(part for part in parts if part)


def demoted(results: str) -> str:
    """Put the headings of a RESULTS.md below one of a card; leave out its comments."""
    text = re.sub(r"<!--.*?-->\n?", "", results, flags=re.DOTALL)
    text = re.sub(r"^# RESULTS\n+", "", text, flags=re.MULTILINE)
    return re.sub(r"^(#{2,5}) ", r"#\1 ", text, flags=re.MULTILINE).strip()
