"""Time and memory of one training step, beside the official trainer's.

Both have the release objectives, the turns of their own trainer (discriminators first,
one pass through the generator) and fixed features of the teacher. The official side is
the package `speechtokenizer` from PyPI; its trainer is one long method over files, so
its turns are written out here, of its models, losses and optimizer.

Run as: python tools/bench/training_step.py [--n_filters 32 --batch_size 4 --seconds 1]
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from measure import alternate, table
from torch import Tensor, nn

CONFIG = "egs2/TEMPLATE/speechtok1/conf/tuning/train_speechtokenizer_release.yaml"
ROOT = Path(__file__).resolve().parents[2]
Step = Callable[[], float]


class FixedTeacher(nn.Module):
    """Gives the same features (B, T, D) for any waveforms."""

    def __init__(self, features: Tensor):
        super().__init__()
        self.features = features
        self.output_size = features.shape[-1]

    def forward(self, wav: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Give the features; `wav` (B, N) is not used."""
        del lengths
        return self.features


def our_step(args: argparse.Namespace, wav: Tensor, features: Tensor) -> Step:
    """Make a step as ESPnet's `GANTrainer` takes it, from the release configuration."""
    from espnet_st.codec.speechtokenizer import SpeechTokenizer

    config = yaml.safe_load((ROOT / CONFIG).read_text(encoding="utf-8"))
    conf = config["codec_conf"]
    conf["encoder_conf"]["n_filters"] = args.n_filters
    conf["decoder_conf"]["n_filters"] = args.n_filters
    model = SpeechTokenizer(**conf).train().to(args.device)
    model.distillation.teacher = FixedTeacher(features)
    generator, discriminator = (
        torch.optim.Adam(part.parameters(), **config[key])
        for part, key in (
            (model.generator, "optim_conf"),
            (model.discriminator, "optim2_conf"),
        )
    )

    def step() -> float:
        for is_generator, optimizer in ((False, discriminator), (True, generator)):
            with autocast(args):
                out = model(wav[:, 0], forward_generator=is_generator)
            out["loss"].backward()
            optimizer.step()
            generator.zero_grad()
            discriminator.zero_grad()
        return float(out["loss"])

    return step


def official_step(args: argparse.Namespace, wav: Tensor, features: Tensor) -> Step:
    """Make a step as the official `SpeechTokenizerTrainer.train` takes it."""
    from speechtokenizer import SpeechTokenizer
    from speechtokenizer import discriminators as networks
    from speechtokenizer.trainer import loss as losses
    from speechtokenizer.trainer.optimizer import get_optimizer

    model = SpeechTokenizer(
        {
            "n_filters": args.n_filters,
            "strides": [8, 5, 4, 2],
            "dimension": 1024,
            "semantic_dimension": features.shape[-1],
            "bidirectional": True,
            "dilation_base": 2,
            "residual_kernel_size": 3,
            "n_residual_layers": 1,
            "lstm_layers": 2,
            "activation": "ELU",
            "codebook_size": 1024,
            "n_q": 8,
            "sample_rate": 16000,
        }
    )
    model.train().to(args.device)
    for layer in model.quantizer.vq.layers:
        # Set, for its k-means over the first batch takes minutes and gigabytes.
        codebook = layer._codebook
        codebook.inited.fill_(1)
        codebook.cluster_size.fill_(1)
        codebook.embed_avg.copy_(codebook.embed.normal_(std=0.1))
    discriminators = nn.ModuleList(
        [
            networks.MultiPeriodDiscriminator(),
            networks.MultiScaleDiscriminator(),
            networks.MultiScaleSTFTDiscriminator(32),
        ]
    )
    discriminators.train().to(args.device)
    settings = {"lr": 1e-4, "wd": 0, "betas": (0.9, 0.99)}
    generator = get_optimizer(model.parameters(), **settings)
    discriminator = get_optimizer(
        itertools.chain(*(one.parameters() for one in discriminators)), **settings
    )
    mels: list[dict[str, int | None]] = [
        dict(
            n_fft=1024 // k,
            win_size=1024 // k,
            hop_size=240 // k,
            num_mels=80,
            sample_rate=16000,
            fmin=0,
            fmax=None,
        )
        for k in (1, 2, 4, 8)
    ]

    def step() -> float:
        with autocast(args):
            fake, commitment, first = model(wav)
            discriminator.zero_grad()
            outputs = [one(wav, fake.detach()) for one in discriminators]
            loss = sum(losses.discriminator_loss(*group[:2]) for group in outputs)
        loss.backward()
        discriminator.step()
        generator.zero_grad()
        with autocast(args):
            outputs = [one(wav, fake) for one in discriminators]
            mel = [losses.mel_loss(wav, fake.float(), **conf) for conf in mels]
            loss = (
                sum(losses.feature_loss(*group[2:]) for group in outputs)
                + sum(losses.adversarial_loss(group[1]) for group in outputs)
                + sum(weight * one for weight, one in zip((45, 1, 1, 1), mel))
                + 10 * commitment
                + 500 * losses.recon_loss(wav, fake)
                + 120 * losses.d_axis_distill_loss(first, features)
            )
        loss.sum().backward()
        generator.step()
        return float(loss)

    return step


STEPS = {"official": official_step, "espnet-st": our_step}


def autocast(args: argparse.Namespace) -> torch.autocast:
    """Make a context of the precision asked for."""
    half = args.precision == "bf16"
    return torch.autocast(args.device, torch.bfloat16, enabled=half)


def make(name: str, args: argparse.Namespace) -> Step:
    """Make one side's step, on a batch that is the same for both."""
    torch.manual_seed(0)
    samples = int(16000 * args.seconds)
    wav = 0.1 * torch.randn(args.batch_size, 1, samples)
    features = torch.randn(args.batch_size, -(-samples // 320), 768)
    return STEPS[name](args, wav.to(args.device), features.to(args.device))


def measure_memory(args: argparse.Namespace) -> float:
    """Measure the peak MiB of this process over two steps of `args.only`."""
    step = make(args.only, args)
    step()
    step()  # the first one makes the optimizers' states
    if args.device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def memory_alone(name: str) -> float:
    """Measure the peak MiB of one side in a process of its own."""
    command = [sys.executable, *sys.argv, "--only", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n_filters", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--only", choices=STEPS, help="print one side's memory")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    write = sys.stdout.write
    if args.only:
        write(f"{json.dumps(measure_memory(args))}\n")
        return
    memory = {name: memory_alone(name) for name in STEPS}
    steps = {name: make(name, args) for name in STEPS}
    seconds, _ = alternate(steps, args.repetitions)
    write(
        f"{args.n_filters} filters, batch {args.batch_size} x {args.seconds:g} s, "
        f"{args.precision}, {args.device}, {args.threads} threads, "
        f"median of {args.repetitions}\n\n"
    )
    samples = 16000 * args.seconds * args.batch_size
    rows = [
        [
            name,
            f"{took.clock:.3f}",
            f"{samples / took.clock:.0f}",
            f"{memory[name]:.0f}",
        ]
        for name, took in seconds.items()
    ]
    write(table(["", "step, s", "samples/s", "peak memory, MiB"], rows))
    faster = seconds["official"].clock / seconds["espnet-st"].clock
    saved = 1 - memory["espnet-st"] / memory["official"]
    write(f"\n\n{faster:.2f} times as fast, {saved:.0%} less memory\n")


if __name__ == "__main__":
    main()
