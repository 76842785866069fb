"""A tiny USLM as training leaves it, and a stand-in for its codec."""

import torch
import yaml

from espnet_st.inference.audio_coding import AudioCoding
from espnet_st.uslm.uslm import USLM

LETTERS = ["<blank>", "<unk>", "a", "b", "c", "<space>", "<sos/eos>"]
HOP = 320
PAIRS = [(3, 9), (6, 14), (5, 12)]
"""Tokens and frames of utterances."""
CODES = torch.arange(20).view(4, 5) % 11
SIZE = dict(
    codebook_size=11, d_model=16, n_heads=2, ar_layers=1, nar_layers=1, ffn_size=8
)


class StandIn(AudioCoding):
    """A codec whose codes are the frames' numbers; hears and speaks anything."""

    n_q, codebook_size, sample_rate, hop_length = 4, 11, 16000, HOP

    def __init__(self):
        self.encoded = []
        self.generator = torch.nn.Identity()

    def encode(self, wav, sample_rate=None):
        assert sample_rate in (None, self.sample_rate)
        self.encoded.append(len(wav))
        frames = -(-len(wav) // HOP)
        return torch.arange(4 * frames).view(4, frames) % 11

    def decode_batch(self, codes):
        return [one[0].float().repeat_interleave(HOP) / 11 for one in codes]

    def decode(self, codes):
        return self.decode_batch([codes])[0]


def save_uslm(directory, **options):
    """An experiment directory as ESPnet leaves it; gives it back."""
    conf = SIZE | options
    torch.manual_seed(0)
    model = USLM(idim=len(LETTERS), odim=4, **conf)
    config = dict(
        tts="uslm", tts_conf=conf, odim=4, token_list=LETTERS, token_type="char"
    )
    directory.mkdir()
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    state = {f"tts.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, directory / "valid.loss.best.pth")
    return directory


def never(directory, ends):
    """Make a saved model end at once (`ends`), or not at all."""
    path = directory / "valid.loss.best.pth"
    state = torch.load(path, weights_only=True)
    state["tts.ar.decoder.norm.weight"].zero_()
    state["tts.ar.decoder.norm.bias"].fill_(1.0)
    state["tts.ar.predict_layer.weight"][11] = 9.0 if ends else -9.0
    torch.save(state, path)


def gradients(model, *inputs, seed=0):
    """Loss, statistics and gradients of a training step with these draws."""
    model.zero_grad()
    torch.manual_seed(seed)
    loss, stats, _ = model(*inputs)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    return loss.detach(), stats, found
