"""Tiny codecs of ESPnet's own classes, as its training leaves them."""

import torch
import yaml

GENERATOR = {
    "hidden_dim": 12,
    "encdec_channels": 1,
    "encdec_n_filters": 2,
    "encdec_n_residual_layers": 1,
    "encdec_ratios": [4, 5, 4, 4],
    "encdec_activation": "ELU",
    "encdec_activation_params": {"alpha": 1.0},
    "encdec_norm": "weight_norm",
    "encdec_norm_params": {},
    "encdec_kernel_size": 7,
    "encdec_residual_kernel_size": 3,
    "encdec_last_kernel_size": 7,
    "encdec_dilation_base": 2,
    "encdec_causal": False,
    "encdec_pad_mode": "reflect",
    "encdec_true_skip": False,
    "encdec_compress": 2,
    "encdec_lstm": 1,
    "decoder_trim_right_ratio": 1.0,
    "decoder_final_activation": None,
    "decoder_final_activation_params": None,
    "quantizer_n_q": 3,
    "quantizer_bins": 8,
    "quantizer_decay": 0.99,
    "quantizer_kmeans_init": False,
    "quantizer_kmeans_iters": 2,
    "quantizer_threshold_ema_dead_code": 0,
    "quantizer_target_bandwidth": [0.15, 0.45],  # kbit/s: 1 and 3 layers of 3 bits
}

STFT = {
    "filters": 2,
    "in_channels": 1,
    "out_channels": 1,
    "norm": "weight_norm",
    "n_ffts": [128],
    "hop_lengths": [64],
    "win_lengths": [128],
    "activation": "LeakyReLU",
    "activation_params": {"negative_slope": 0.3},
}
MEL = {"range_start": 7, "range_end": 9, "n_mels": 10, "log_base": None}

ENCODEC = {
    "sampling_rate": 16000,
    "generator_params": GENERATOR,
    "discriminator_params": {"msstft_discriminator_params": STFT},
    "mel_loss_params": MEL,
}
SOUNDSTREAM = {
    "sampling_rate": 16000,
    "generator_params": GENERATOR,
    "mel_loss_params": MEL,
}
DAC = {
    "sampling_rate": 16000,
    "generator_params": GENERATOR
    | {
        "codebook_dim": 4,
        "encdec_activation": "Snake",
        "encdec_activation_params": {},
        "quantizer_dropout": True,
    },
    "mel_loss_params": MEL,
}
CONFS = {"encodec": ENCODEC, "soundstream": SOUNDSTREAM, "dac": DAC}


def save_stock(directory, kind, conf=None, checkpoint="latest.pth"):
    """An experiment directory of ESPnet's model; give the model."""
    from copy import deepcopy

    from espnet2.tasks.gan_codec import GANCodecTask

    conf = CONFS[kind] if conf is None else conf
    options = GANCodecTask.get_default_config()
    options |= {"codec": kind, "codec_conf": deepcopy(conf), "model_conf": {}}
    (directory / "config.yaml").write_text(yaml.safe_dump(options))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model, _ = GANCodecTask.build_model_from_file(directory / "config.yaml")
        # As trained: frames that differ, and entries of their size that divide them.
        generator = model.codec.generator
        with torch.no_grad():
            for name, value in generator.named_parameters():
                if "bias" in name:
                    value.zero_()
            frames = generator.encoder(0.1 * torch.randn(1, 1, 8000)).transpose(1, 2)
            for layer in generator.quantizer.vq.layers:
                embed = layer._codebook.embed
                embed.normal_().mul_(layer.project_in(frames).std())
    torch.save(model.state_dict(), directory / checkpoint)
    return model.eval()
