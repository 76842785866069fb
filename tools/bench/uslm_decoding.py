#!/usr/bin/env python3
"""Decoding of a USLM: time of the AR model's steps and of the NAR model's layers.

Paper size, random weights, the same ones everywhere. A step with the cache stands
beside a pass over everything before it, which is what a step without cache takes.
With --uslm, also losses and accuracies of a trained model on teacher-forced data, in
each precision of its weights.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import torch
from measure import alternate, table
from torch.nn.utils.rnn import pad_sequence

from espnet_st.codes import CodesReader, pad_codes, to_feats
from espnet_st.data.kaldi import read_table
from espnet_st.inference.text2speech import Text2Speech
from espnet_st.uslm.ar import AutoregressiveModel
from espnet_st.uslm.decoding.continuation import Continuation
from espnet_st.uslm.decoding.weight_precision import DTYPES, set_weight_precision
from espnet_st.uslm.nar import NonAutoregressiveModel

VOCAB, CODES, N_Q, TEXT, FRAME_RATE = 100, 1024, 8, 50, 50


def variants(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Copy the model in each precision of weights."""
    model.eval().requires_grad_(False)
    made = {dtype: copy.deepcopy(model) for dtype in DTYPES}
    for dtype, one in made.items():
        set_weight_precision(one, dtype)
    return made


def reading(batch: int, context: int) -> tuple[torch.Tensor, ...]:
    """Make text, lengths, positions, codes and lengths of `context` positions."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(VOCAB, (batch, TEXT), generator=generator)
    codes = torch.randint(CODES, (batch, context - TEXT), generator=generator)
    where = torch.arange(TEXT).float().expand(batch, -1)
    lengths = torch.full((batch,), TEXT), torch.full((batch,), context - TEXT)
    return text, lengths[0], where, codes, lengths[1]


def stepping(
    ar: AutoregressiveModel, batch: int, context: int, steps: int, runs: int
) -> Callable[[], None]:
    """Make a function that goes on by `steps` greedy steps from `context`."""
    continuation = Continuation(ar, *reading(batch, context), max_frames=steps * runs)

    def run() -> None:
        for _ in range(steps):
            continuation.append(continuation.logits[:, :CODES].argmax(dim=-1))

    return run


def ar_steps(args: argparse.Namespace, ars: dict[str, torch.nn.Module]) -> None:
    """Print the time of a step, by context, batch and weights."""
    runs, rows = args.repetitions + 1, []
    for context in args.contexts:
        functions = {
            (dtype, batch): stepping(ar, batch, context, args.steps, runs)
            for dtype, ar in ars.items()
            for batch in (1, args.batch)
        }
        inputs = reading(1, context)[:4]
        functions["recomputed"] = lambda inputs=inputs: ars["float32"](*inputs)
        seconds, _ = alternate(functions, args.repetitions)
        whole = seconds["recomputed"].clock
        for dtype in ars:
            alone = seconds[dtype, 1].clock / args.steps
            many = seconds[dtype, args.batch].clock / args.steps
            rows.append([
                context, dtype, f"{1000 * whole:.0f}", f"{1000 * alone:.1f}",
                f"{whole / alone:.1f}", f"{1 / alone:.1f}", f"{args.batch / many:.1f}",
                f"{args.batch * alone / many:.2f}",
            ])  # fmt: skip
    header = ["AR: context", "weights", "recomputed, ms/token", "cached, ms/token"]
    header += ["speed-up", "tokens/s", f"tokens/s, batch {args.batch}", "times batch 1"]
    print(table(header, rows), "\n")


def ar_agreement(args: argparse.Namespace, ars: dict[str, torch.nn.Module]) -> None:
    """Print how near the scores of each precision are, teacher-forced."""
    inputs = reading(2, args.contexts[-1])[:4]
    exact = ars["float32"](*inputs)
    continuation = Continuation(
        ars["float32"],
        *inputs[:3],
        inputs[3][:, :1],
        torch.tensor([1, 1]),
        max_frames=64,
    )
    worst = 0.0
    for step in range(1, min(64, inputs[3].shape[1])):
        continuation.append(inputs[3][:, step])
        worst = max(
            worst, float((continuation.logits - exact[:, step + 1]).abs().max())
        )
    rows = [["float32, cached", f"{worst:.1e}", "", ""]]
    for dtype, ar in ars.items():
        scores = ar(*inputs)
        error = (scores - exact).norm() / exact.norm()
        same = (scores.argmax(-1) == exact.argmax(-1)).float().mean()
        mass, target = scores.log_softmax(-1), exact.log_softmax(-1)
        distance = (target.exp() * (target - mass)).sum(-1).mean()
        largest = (scores - exact).abs().max()
        first = f"{100 * same:.1f} %, {distance:.1e}"
        rows.append([dtype, f"{largest:.1e}", f"{error:.1e}", first])
    header = ["AR, random weights, teacher-forced", "largest difference of a score"]
    print(table([*header, "relative error", "same first choice, KL"], rows), "\n")


def nar_layers(args: argparse.Namespace, nars: dict[str, torch.nn.Module]) -> None:
    """Print the time of all layers of the NAR model for each second of speech."""
    prompt, frames = 150, args.frames
    functions = {}
    for batch in (1, args.batch):
        text, lengths, where, codes, sizes = reading(batch, TEXT + prompt + frames)
        mask = (torch.arange(prompt + frames) < prompt).expand(batch, -1)
        inputs = text, lengths, where, codes.expand(N_Q, -1, -1), sizes, mask
        for dtype, nar in nars.items():
            functions[dtype, batch] = lambda n=nar, i=inputs: n.generate(*i)
    seconds, _ = alternate(functions, args.repetitions)
    batches, rows = (1, args.batch), []
    for dtype in nars:
        each = (seconds[dtype, b].clock * FRAME_RATE / frames / b for b in batches)
        rows.append([dtype, *(f"{one:.3f}" for one in each)])
    header = ["NAR, 7 layers, prompt of 3 s", "s per s of speech"]
    header += [f"batch {args.batch}"]
    print(table(header, rows), "\n")


def trained(args: argparse.Namespace) -> None:
    """Print losses and accuracies of a trained model in each width of weights."""
    texts = read_table(f"{args.data_dir}/text")
    reader = CodesReader(f"{args.data_dir}/codes.scp")
    names = sorted(set(texts) & set(reader))[: args.utterances]
    stats = {}
    for dtype in DTYPES:
        tts = Text2Speech.from_pretrained(args.uslm, dtype=dtype)
        tts.tts.bfloat16 = "off"
        ids = [tts.tokens(texts[name]) for name in names]
        codes, lengths = pad_codes([reader[name] for name in names])
        sizes = torch.tensor([len(one) for one in ids])
        with torch.inference_mode():
            text = pad_sequence(ids, batch_first=True)
            stats[dtype] = tts.tts(text, sizes, to_feats(codes), lengths)[1]
    rows = [
        [name, *(f"{float(stats[dtype][name]):.4f}" for dtype in DTYPES)]
        for name in stats["float32"]
    ]
    print(table([f"{args.uslm}, {len(names)} utterances", *DTYPES], rows), "\n")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--threads", type=int, default=2)
    add("--repetitions", type=int, default=3)
    add("--contexts", type=int, nargs="+", default=[100, 300, 600])
    add("--batch", type=int, default=8)
    add("--steps", type=int, default=8, help="timed at once")
    add("--frames", type=int, default=250, help="that the NAR model completes")
    add("--d_model", type=int, default=1024)
    add("--n_heads", type=int, default=16)
    add("--n_layers", type=int, default=12)
    add("--ffn_size", type=int, default=4096)
    add("--uslm", help="a trained model")
    add("--data_dir", help="its text and codes.scp")
    add("--utterances", type=int, default=32, help="of --data_dir")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    size = dict(
        d_model=args.d_model,
        n_heads=args.n_heads,
        n_layers=args.n_layers,
        ffn_size=args.ffn_size,
    )
    print(f"{size}, {args.threads} threads, median of {args.repetitions}\n")
    with torch.inference_mode():
        ars = variants(AutoregressiveModel(VOCAB, CODES, **size))
        ar_steps(args, ars)
        ar_agreement(args, ars)
        del ars
        nar_layers(args, variants(NonAutoregressiveModel(VOCAB, CODES, N_Q, **size)))
    if args.uslm:
        trained(args)


if __name__ == "__main__":
    main()
