"""The page, made with gradio; it asks nothing of any other server."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

# gradio reads these when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
import fastapi  # noqa: E402
import gradio  # noqa: E402
import uvicorn  # noqa: E402

from espnet_st.demo.actions import Actions  # noqa: E402
from espnet_st.demo.inputs import MEGABYTE, Limits  # noqa: E402
from espnet_st.demo.players import describe, notice  # noqa: E402
from espnet_st.demo.wav_store import WavStore  # noqa: E402
from espnet_st.inference.audio_coding import AudioCoding  # noqa: E402
from espnet_st.inference.text2speech import Text2Speech  # noqa: E402

CSS = Path(__file__).with_name("page.css")
# Only one player plays at a time.
HEAD = """<script>
document.addEventListener("play", (event) => {
  for (const one of document.querySelectorAll(".st-players audio"))
    if (one !== event.target) one.pause();
}, true);
</script>"""
INTRODUCTION = """# SpeechTokenizer
Record some words, or drop a file. The codec turns them into layers of codes: the first
layer holds mostly what is said, the others the voice and the rest of the sound."""
NO_USLM = """This page was started without a USLM, the model that speaks texts. Start it
with one:

    espnet-st demo --codec exp/codec_mini --uslm exp/uslm_mini"""
FONTS = ["system-ui", "sans-serif"]
FONTS_MONO = ["ui-monospace", "monospace"]
HINT = notice("What each number of layers keeps will be here.", "hint")
PROGRESS = gradio.Progress()
KEEP_SECONDS = 3600
"""How long uploads are kept."""
MOST_WAITING = 20
"""People who may wait for their turn."""
PORTS = range(7860, 7960)
"""Ports that are tried; 7860 is the usual one of such pages."""
CLOSING_SECONDS = 2
"""How long open pages are waited for in the end."""


def build_page(actions: Actions, names: Sequence[str]) -> gradio.Blocks:
    """Build the page.

    Args:
        actions: What it does.
        names: Of its models.
    """
    limits = actions.limits
    with gradio.Blocks(
        title="SpeechTokenizer",
        analytics_enabled=False,
        delete_cache=(KEEP_SECONDS // 6, KEEP_SECONDS),
    ) as page:
        gradio.Markdown(INTRODUCTION)
        gradio.HTML(describe(actions.codec, names))
        speech = _audio_input(f"Speech, up to {limits.seconds:g} seconds", "speech")
        with gradio.Tab("Layers"):
            layers = gradio.HTML(HINT, elem_id="layers")
        with gradio.Tab("Swap voices"):
            gradio.Markdown(
                "Codes of layer 1 are kept, those of layers 2 to *k* come from a "
                "second voice: the same words, spoken by somebody else."
            )
            voice = _audio_input("Second voice", "voice")
            swap = gradio.Button("Swap layers", variant="primary", elem_id="swap")
            swapped = gradio.HTML(elem_id="swapped")
        with gradio.Tab("Speak"):
            if actions.tts is None:
                gradio.Markdown(NO_USLM)
            else:
                text = gradio.Textbox(label="Text", lines=2, elem_id="text")
                with gradio.Row():
                    speech_text = gradio.Textbox(
                        label="What the speech above says (optional)", scale=3
                    )
                    take = gradio.Number(
                        1,
                        label="Take (another number, another rendering)",
                        precision=0,
                        minimum=0,
                        maximum=9999,
                    )
                speak = gradio.Button("Speak", variant="primary", elem_id="speak")
                spoken = gradio.HTML(elem_id="spoken")
                _connect(
                    speak.click,
                    actions.speak,
                    [text, speech, speech_text, take],
                    spoken,
                )

        def analyse(path: str | None, progress: gradio.Progress = PROGRESS) -> str:
            if path is None:
                return HINT
            return actions.analyse(path, lambda share, step: progress(share, desc=step))

        _connect(speech.change, analyse, [speech], layers)
        _connect(swap.click, actions.convert, [speech, voice], swapped)
    page.queue(max_size=MOST_WAITING)
    return page


def serve(
    codec: AudioCoding,
    tts: Text2Speech | None,
    names: Sequence[str],
    limits: Limits,
    host: str = "127.0.0.1",
    port: int | None = None,
) -> None:
    """Serve the page until it is interrupted.

    gradio's own `launch` first asks the page for itself, within three seconds and
    through the proxy that may be set; here a slow machine or a proxy does no harm.

    Args:
        codec: The codec.
        tts: A USLM over its codes, if there is one.
        names: Of the models.
        limits: What is taken.
        host: Address to listen on.
        port: Port to listen on; None for the first free one of `PORTS`.

    Raises:
        ValueError: If it cannot listen there.
    """
    with (
        tempfile.TemporaryDirectory(prefix="espnet_st_demo_") as directory,
        _listen(host, PORTS if port is None else [port]) as listening,
    ):
        os.environ["GRADIO_TEMP_DIR"] = f"{directory}/uploads"
        store = WavStore(Path(directory) / "played")
        actions = Actions(codec, tts, limits, store, "gradio_api/file={}".format)
        app = gradio.mount_gradio_app(
            fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
            build_page(actions, names),
            path="/",
            allowed_paths=[str(store.directory)],
            max_file_size=round(limits.megabytes * MEGABYTE),
            show_error=False,
            ssr_mode=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            theme=gradio.themes.Default(
                primary_hue="blue", font=FONTS, font_mono=FONTS_MONO
            ),
            css_paths=CSS,
            head=HEAD,
        )
        chosen = listening.getsockname()[1]
        logging.info("the page is at http://%s:%d/ (Ctrl-C ends it)", host, chosen)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=CLOSING_SECONDS
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, ports: Sequence[int]) -> socket.socket:
    """Listen on the first free port.

    Raises:
        ValueError: If there is none.
    """
    for port in ports:
        try:
            return socket.create_server((host, port))
        except (OSError, OverflowError) as error:
            reason = error
    raise ValueError(
        f"cannot listen on {host}, port {ports[-1]}: {reason}; give another --port"
    )


def _audio_input(label: str, elem_id: str) -> gradio.Audio:
    """Make a place to record or drop speech."""
    return gradio.Audio(
        label=label,
        sources=["upload", "microphone"],
        type="filepath",
        elem_id=elem_id,
        buttons=[],
    )


def _connect(
    event: Callable[..., object],
    action: Callable[..., str],
    inputs: list[gradio.components.Component],
    output: gradio.HTML,
) -> None:
    """Let an event run an action, which shows its sentence where it fails.

    Actions use the models one at a time, whoever asks.
    """

    @functools.wraps(action)
    def answer(*args: object) -> str:
        try:
            return action(*args)
        except ValueError as error:
            return notice(str(error))

    event(
        answer,
        inputs,
        output,
        api_name=action.__name__,
        concurrency_limit=1,
        concurrency_id="models",
    )
