"""Speaks and hears with packed models alone: a program for a fresh environment.

Usage: speak_packed.py WORK, in which are uslm.zip, codec.zip, asr.zip and prompt.flac;
writes report.json there. Everything that is opened is noted.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

OPENED = []
TEXT = "the green boat came home"


def measure(wav, rate):
    """Seconds and root mean square of a waveform."""
    import numpy as np

    wav = np.asarray(wav).reshape(-1)
    return {"seconds": len(wav) / rate, "rms": float(np.sqrt(np.mean(wav**2)))}


def ours(work, report):
    from espnet_st import Text2Speech

    tts = Text2Speech.from_pretrained(work / "uslm.zip")
    prompt, words = work / "prompt.flac", (work / "prompt.txt").read_text().strip()
    out = tts(TEXT, speech=prompt, prompt_text=words)
    report["ours"] = measure(out["wav"], tts.fs) | {
        "frames": out["codes"].shape[1] / tts.codec.frame_rate,
        "truncated": out["truncated"],
    }
    return tts


def stock(work, report, tts):
    from espnet_st.registry import register

    register()
    import soundfile
    import torch
    import yaml
    from espnet2.bin.gan_codec_inference import AudioCoding
    from espnet2.bin.tts_inference import Text2Speech
    from espnet_model_zoo.downloader import ModelDownloader, str_to_hash

    zoo = ModelDownloader()
    try:
        codec = AudioCoding.from_pretrained(str(work / "codec.zip"))
        wav, rate = soundfile.read(work / "prompt.flac", dtype="float32")
        codes = codec(torch.from_numpy(wav)[None, None], encode_only=True)["codes"]
        known = tts.codec.encode(wav, rate)
        report["codec"] = float((codes[:, 0] == known).float().mean())
        stock = Text2Speech.from_pretrained(str(work / "uslm.zip"))
        unpacked = zoo.cachedir / str_to_hash(work / "uslm.zip") / "uslm_model"
        options = yaml.safe_load((unpacked / "decode.yaml").read_text())
        torch.manual_seed(0)
        out = stock(TEXT, decode_conf=options)
        wav = codec.decode(out["codes"][:, None])["resyn_audio"]
        report["stock"] = measure(wav, codec.codec.generator.sample_rate)
        report["stock"]["books"] = stock.train_args.tts_conf["codebooks"]
        report["unpacked"] = str(unpacked)
        hear(work, report, wav.reshape(-1))
    finally:
        # The zoo of ESPnet 202511 unpacks into its own package.
        for name in ("codec", "uslm", "asr"):
            shutil.rmtree(zoo.cachedir / str_to_hash(work / f"{name}.zip"), True)


def hear(work, report, wav):
    if not (work / "asr.zip").exists():
        return
    from espnet2.bin.asr_inference import Speech2Text

    asr = Speech2Text.from_pretrained(
        str(work / "asr.zip"), beam_size=1, maxlenratio=-5
    )
    text, tokens, *_ = asr(wav.numpy())[0]
    frontend = asr.asr_model.frontend
    sums = {k: float(v.double().sum()) for k, v in asr.asr_model.state_dict().items()}
    report["asr"] = {
        "tokens": tokens,
        "codec": asr.asr_train_args.frontend_conf["codec"],
        "bpemodel": asr.asr_train_args.bpemodel,
        "n_q": frontend.codec.n_q,
        "sums": hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest(),
    }


def main():
    work, report = Path(sys.argv[1]), {}
    sys.addaudithook(
        lambda event, args: event == "open" and OPENED.append(str(args[0]))
    )
    tts = ours(work, report)
    stock(work, report, tts)
    report["opened"] = sorted({path for path in OPENED if path.startswith("/")})
    (work / "report.json").write_text(json.dumps(report))


main()
