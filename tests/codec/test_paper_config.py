"""What the paper's configuration claims in its comments."""

from pathlib import Path

import pytest
import torch
import yaml

from espnet_st.codec.discriminators import Discriminators
from espnet_st.codec.losses import choose_losses

CONF = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/speechtok1/conf/tuning"


def read(name):
    path = CONF / f"train_speechtokenizer_{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


PAPER, RELEASE = read("paper"), read("release")


@pytest.mark.parametrize(
    ("key", "factor"),
    [
        ("lambda_time", 1),
        ("lambda_distill", 1),
        ("lambda_adv", 13),  # a sum over discriminators there, a mean here
        ("lambda_feat_match", 13),
        ("lambda_commit", 1 / 8),  # a mean over quantizers there, a sum here
    ],
)
def test_weights_are_the_releases_over_its_weight_of_the_mel_loss(key, factor):
    mel = RELEASE["codec_conf"]["mel_loss_conf"]["weights"][0]
    expected = RELEASE["codec_conf"][key] * factor / mel
    assert PAPER["codec_conf"][key] == pytest.approx(expected, rel=0.05)


def test_the_first_quantizer_is_pulled_as_in_the_release():
    gradients = []
    for config in (PAPER, RELEASE):
        conf = config["codec_conf"]
        errors = torch.rand(conf["quantizer_conf"]["n_q"], requires_grad=True)
        loss = conf["lambda_commit"] * choose_losses(**conf["loss_conf"]).commitment(
            errors
        )
        (gradient,) = torch.autograd.grad(loss, errors)
        gradients.append(gradient)
    ours, theirs = gradients
    mel = RELEASE["codec_conf"]["mel_loss_conf"]["weights"][0]
    assert float(ours[0]) == pytest.approx(float(theirs[0]) / mel, rel=0.05)
    assert torch.equal(ours, ours[:1].expand(8))
    assert (theirs[1:] == 0).all()


def test_discriminators_are_of_like_sizes():
    def sizes(conf):
        with torch.device("meta"):
            made = Discriminators(**conf)
        parts = (made.msstft, made.mpd, made.msd)
        return [sum(p.numel() for p in part.parameters()) / 1e6 for part in parts]

    assert sizes(PAPER["codec_conf"]["discriminator_conf"]) == pytest.approx(
        [0.47] * 3, rel=0.05
    )
    assert sizes(RELEASE["codec_conf"]["discriminator_conf"]) == pytest.approx(
        [0.47, 41, 30], rel=0.05
    )


def test_the_batch_is_that_of_the_papers_two_gpus():
    """ESPnet divides it: `test_codec_training` sees half of it in each of two."""
    assert PAPER["batch_size"] == 2 * 20
    conf = PAPER["codec_conf"]
    hop_length = torch.tensor(conf["encoder_conf"]["strides"]).prod()
    frames = PAPER["batch_size"] * PAPER["chunk_length"] / hop_length
    even = frames / conf["quantizer_conf"]["codebook_size"]
    assert even == pytest.approx(6, rel=0.05)
