"""The official USLM, stated again: its tensors, its equations, its decoding.

From the paper (section 3.4) and the shapes of the release, in double precision, of
plain functions over a dict of tensors by their official names. Nothing of ours is
imported. `W` is that dict; sequences have no batch.
"""

import math

import torch

SYMBOLS = ["_", "a", "b", "ə", "ː", "̩", ",", "c"]
"""Symbols of a small release, one of them a mark that combines with others."""


def shapes(d_model=1024, n_layers=12, vocab=512, size=1024, n_q=8):
    """Shape of each tensor of a release; the defaults are the release's."""
    table = "word_embeddings.weight"
    out = {f"{part}_text_embedding.{table}": (vocab, d_model) for part in ("ar", "nar")}
    out[f"ar_audio_embedding.{table}"] = (size + 1, d_model)
    out["ar_predict_layer.weight"] = (size + 1, d_model)
    for j in range(n_q):
        rows = size + 1 if j == 0 else size
        out[f"nar_audio_embeddings.{j}.{table}"] = (rows, d_model)
    for j in range(n_q - 1):
        out[f"nar_predict_layers.{j}.weight"] = (size, d_model)
        out[f"nar_stage_embeddings.{j}.{table}"] = (1, d_model)
    for part in ("ar", "nar"):
        for stream in ("text", "audio"):
            out[f"{part}_{stream}_position.alpha"] = (1,)
        norms = ["norm"]
        for i in range(n_layers):
            layer = f"layers.{i}."
            norms += [layer + "norm1", layer + "norm2"]
            for name, rows, columns in (
                ("self_attn.in_proj_", 3 * d_model, d_model),
                ("self_attn.out_proj.", d_model, d_model),
                ("linear1.", 4 * d_model, d_model),
                ("linear2.", d_model, 4 * d_model),
            ):
                out[f"{part}_decoder.{layer}{name}weight"] = (rows, columns)
                out[f"{part}_decoder.{layer}{name}bias"] = (rows,)
        for name in norms:
            name = f"{part}_decoder.{name}."
            if part == "nar":
                out[name + "project_layer.weight"] = (2 * d_model, d_model)
                out[name + "project_layer.bias"] = (2 * d_model,)
                name += "norm."
            out[name + "weight"] = out[name + "bias"] = (d_model,)
    return out


def ties(n_q=8):
    """Pairs of names of one tensor: j-th scores, embeddings of codebook j + 2."""
    return {
        f"nar_predict_layers.{j}.weight": (
            f"nar_audio_embeddings.{j + 2}.word_embeddings.weight"
        )
        for j in range(n_q - 2)
    }


def random_release(seed=0, d_model=24, n_layers=2, vocab=14, size=9, n_q=4):
    """Random tensors of a small release, single precision, far from any symmetry."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(d_model, n_layers, vocab, size, n_q).items():
        scale = shape[-1] ** -0.5 if len(shape) == 2 else 0.3
        state[name] = scale * torch.randn(shape, generator=generator)
        if "embedding" in name or "predict" in name:
            state[name] *= d_model**0.5
        if name.endswith(("alpha", "norm.weight", "norm1.weight", "norm2.weight")):
            state[name] += 3 if name.endswith("alpha") else 1
    for name, first in ties(n_q).items():
        state[name] = state[first]
    return state


def double(state):
    """The tensors in double precision."""
    return {name: tensor.double() for name, tensor in state.items()}


def layer_norm(x, gain, offset):
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return gain * centred / torch.sqrt(variance + 1e-5) + offset


def norm(W, name, x, stage):
    """A plain norm, or one whose gain and offset come from the stage's embedding."""
    if stage is None:
        return layer_norm(x, W[f"{name}.weight"], W[f"{name}.bias"])
    given = W[f"{name}.project_layer.weight"] @ stage + W[f"{name}.project_layer.bias"]
    gain, offset = given[: len(stage)], given[len(stage) :]
    plain = layer_norm(x, W[f"{name}.norm.weight"], W[f"{name}.norm.bias"])
    return gain * plain + offset


def attention(W, name, x, heads, allowed):
    """Heads one by one; `allowed` says which positions (L, L) a query may see."""
    width = x.shape[1]
    mixed = x @ W[f"{name}.in_proj_weight"].T + W[f"{name}.in_proj_bias"]
    heard = []
    for head in range(heads):
        columns = torch.arange(head * width // heads, (head + 1) * width // heads)
        query, key, value = (mixed[:, part * width + columns] for part in range(3))
        scores = query @ key.T / math.sqrt(width / heads)
        scores = scores.masked_fill(~allowed, -math.inf)
        heard.append(scores.exp() / scores.exp().sum(-1, keepdim=True) @ value)
    heard = torch.cat(heard, dim=1)
    return heard @ W[f"{name}.out_proj.weight"].T + W[f"{name}.out_proj.bias"]


def decoder(W, name, x, heads, allowed, stage=None):
    """Pre-norm layers, then the last norm."""
    n_layers = len({key.split(".")[2] for key in W if key.startswith(f"{name}.layers")})
    for i in range(n_layers):
        layer = f"{name}.layers.{i}"
        normed = norm(W, f"{layer}.norm1", x, stage)
        x = x + attention(W, f"{layer}.self_attn", normed, heads, allowed)
        normed = norm(W, f"{layer}.norm2", x, stage)
        inner = normed @ W[f"{layer}.linear1.weight"].T + W[f"{layer}.linear1.bias"]
        inner = inner.clamp(min=0) @ W[f"{layer}.linear2.weight"].T
        x = x + inner + W[f"{layer}.linear2.bias"]
    return norm(W, f"{name}.norm", x, stage)


def place(W, name, x):
    """Add sines (even channels) and cosines (odd ones), times alpha."""
    length, width = x.shape
    table = torch.zeros(length, width, dtype=torch.float64)
    for t in range(length):
        for i in range(0, width, 2):
            angle = t / 10000 ** (i / width)
            table[t, i], table[t, i + 1] = math.sin(angle), math.cos(angle)
    return x + W[f"{name}.alpha"] * table


def embed(W, name, ids):
    return W[f"{name}.word_embeddings.weight"][ids]


def ar_logits(W, heads, text, codes):
    """Scores (1 + T, size + 1) after the last text token and after each code."""
    size, frames = len(text), len(codes)
    words = place(W, "ar_text_position", embed(W, "ar_text_embedding", text))
    sounds = place(W, "ar_audio_position", embed(W, "ar_audio_embedding", codes))
    order = torch.arange(size + frames)
    causal = (order.unsqueeze(1) >= order) & (order.unsqueeze(1) >= size)
    allowed = causal | (order < size)  # the text sees itself, codes all before them
    x = decoder(W, "ar_decoder", torch.cat([words, sounds]), heads, allowed)
    return x[size - 1 :] @ W["ar_predict_layer.weight"].T


def nar_logits(W, heads, text, codes, stage):
    """Scores (T, size) of layer `stage` from the layers below it, (stage or more, T).

    With `prefix_mode` 0 all frames are alike, those of a prompt too.
    """
    words = place(W, "nar_text_position", embed(W, "nar_text_embedding", text))
    sounds = sum(embed(W, f"nar_audio_embeddings.{j}", codes[j]) for j in range(stage))
    sounds = place(W, "nar_audio_position", sounds)
    x = torch.cat([words, sounds])
    allowed = torch.ones(len(x), len(x), dtype=torch.bool)
    condition = embed(W, f"nar_stage_embeddings.{stage - 1}", 0)
    x = decoder(W, "nar_decoder", x, heads, allowed, condition)
    return x[len(text) :] @ W[f"nar_predict_layers.{stage - 1}.weight"].T


def speak(W, heads, text, prompt, most):
    """Greedy codes (n_q, T) after a prompt (n_q, T'), at most so many frames."""
    end = len(W["ar_predict_layer.weight"]) - 1
    frames = prompt.shape[1]
    semantic = prompt[0]
    while len(semantic) - frames < most:
        code = ar_logits(W, heads, text, semantic)[-1].argmax()
        if code == end:
            break
        semantic = torch.cat([semantic, code.view(1)])
    layers = [semantic]
    for stage in range(1, len(prompt)):
        codes = nar_logits(W, heads, text, torch.stack(layers), stage).argmax(-1)
        layers.append(torch.cat([prompt[stage], codes[frames:]]))
    return torch.stack(layers)[:, frames:]


def token_ids(tokens, symbols=SYMBOLS):
    """Ids of a text between <bos> and <eos>: <pad>, these two, symbols sorted."""
    ids = {symbol: i for i, symbol in enumerate(sorted(["<eps>", *symbols]), 3)}
    return torch.tensor([1, *(ids[token] for token in tokens), 2])


def write_release(directory, state, symbols=SYMBOLS):
    """A release's two files; its k2symbols ids are not those of the model."""
    directory.mkdir(exist_ok=True)
    torch.save({"model": state}, directory / "USLM.pt")
    lines = [f"{symbol} {index}" for index, symbol in enumerate(["<eps>", *symbols])]
    path = directory / "unique_text_tokens.k2symbols"
    path.write_text("\n".join(lines), encoding="utf-8")
