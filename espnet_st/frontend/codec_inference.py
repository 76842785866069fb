"""What ESPnet's `gan_codec_inference` does, in batches.

ESPnet's own command refuses a `batch_size` above 1. Here an utterance has the same
codes and the same sound whatever the batch size is.
"""

from __future__ import annotations

import logging
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import soundfile
from espnet2.fileio.npy_scp import NpyScpWriter
from espnet2.tasks.gan_codec import GANCodecTask
from torch import Tensor

from espnet_st.checkpoints.loading import read_config
from espnet_st.checkpoints.sources import model_files
from espnet_st.inference.audio_coding import AudioCoding

Batch = dict[str, Tensor]
PLAIN = {"codec": None, "use_preprocessor": True, "iterator_type": "sequence"}
"""What a configuration says that leaves these out."""


def read_train_args(source: str | Path) -> Namespace:
    """Read with which options a codec was trained.

    Args:
        source: See `model_files`.

    Raises:
        ValueError: If there is no such codec.
    """
    return Namespace(**PLAIN | read_config(model_files(source).config))


def encode_as_espnet(
    codec: AudioCoding, batches: Iterator[Batch], output: Path, encode_only: bool
) -> None:
    """Encode and decode waveforms, and write what ESPnet's command writes.

    Args:
        codec: The codec.
        batches: Of waveforms by key, each (N_i,).
        output: Gets `codec/KEY.npy`, codes (n_q, 1, T), with `codec/codec.scp`; and
            `wav/KEY.wav`, whole frames.
        encode_only: Whether to write no wav files.

    Raises:
        ValueError: If a waveform cannot be encoded.
    """
    if not encode_only:
        (output / "wav").mkdir(parents=True, exist_ok=True)
    with NpyScpWriter(output / "codec", output / "codec/codec.scp") as writer:
        for batch in batches:
            start = time.perf_counter()
            codes = codec.encode_batch(list(batch.values()))
            for key, one in zip(batch, codes, strict=True):
                writer[key] = one[:, None].numpy()
            wavs = [] if encode_only else codec.decode_batch(codes)
            for key, wav in zip(batch, wavs):
                path = output / "wav" / f"{key}.wav"
                soundfile.write(path, wav.numpy(), codec.sample_rate, "PCM_16")
            samples = sum(map(len, batch.values()))
            speed = samples / (time.perf_counter() - start)
            logging.info("%s: %.1f points / sec.", ", ".join(batch), speed)


def load_batches(options: Namespace, train_args: Namespace) -> Iterator[Batch]:
    """Load the waveforms that ESPnet's options for inference name.

    Args:
        options: As ESPnet's parser gives them.
        train_args: See `read_train_args`.

    Yields:
        Up to `batch_size` waveforms by key, each (N_i,).
    """
    loader = GANCodecTask.build_streaming_iterator(
        options.data_path_and_name_and_type,
        dtype="float32",
        batch_size=options.batch_size,
        key_file=options.key_file,
        num_workers=options.num_workers,
        preprocess_fn=GANCodecTask.build_preprocess_fn(train_args, False),
        collate_fn=GANCodecTask.build_collate_fn(train_args, False),
        allow_variable_data_keys=options.allow_variable_data_keys,
        inference=True,
    )
    for keys, batch in loader:
        sizes = batch["audio_lengths"].tolist()
        yield {key: wav[:size] for key, wav, size in zip(keys, batch["audio"], sizes)}
