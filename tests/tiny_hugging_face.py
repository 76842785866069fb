"""Tiny random codecs of `transformers`, as `save_pretrained` writes them."""

import torch

SEMANTIC = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8, 8, 8, 8, 8, 8, 8],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def make_encodec(**changes):
    from transformers import EncodecConfig, EncodecModel

    conf = {
        "sampling_rate": 24000,
        "target_bandwidths": [0.3, 0.9],  # kbit/s: 1 and 3 layers of 4 bits at 75 Hz
        "num_filters": 2,
        "hidden_size": 8,
        "codebook_size": 16,
        "num_lstm_layers": 1,
        "upsampling_ratios": [8, 5, 4, 2],
    }
    return EncodecModel(EncodecConfig(**(conf | changes)))


def make_dac():
    from transformers import DacConfig, DacModel

    return DacModel(
        DacConfig(
            encoder_hidden_size=2,
            decoder_hidden_size=32,
            downsampling_ratios=[2, 4, 5, 8],
            n_codebooks=3,
            codebook_size=16,
            codebook_dim=4,
        )
    )


def make_mimi():
    from transformers import MimiConfig, MimiModel

    return MimiModel(
        MimiConfig(
            hidden_size=16,
            num_filters=2,
            codebook_size=16,
            codebook_dim=8,
            vector_quantization_hidden_dimension=8,
            num_quantizers=3,
            num_hidden_layers=1,
            intermediate_size=16,
            num_attention_heads=2,
            num_key_value_heads=2,
            upsample_groups=16,
        )
    )


def make_xcodec():
    from transformers import XcodecConfig, XcodecModel

    return XcodecModel(
        XcodecConfig(
            target_bandwidths=[0.25, 0.65],
            codebook_size=16,
            acoustic_model_config={
                "model_type": "dac",
                "encoder_hidden_size": 2,
                "decoder_hidden_size": 32,
                "downsampling_ratios": [8, 5, 4, 2],
                "upsampling_ratios": [8, 5, 4, 2],
                "hidden_size": 32,
            },
            semantic_model_config={"model_type": "hubert", **SEMANTIC},
        )
    )


def make_xcodec2():
    from transformers import Xcodec2Config, Xcodec2Model

    return Xcodec2Model(
        Xcodec2Config(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
            encoder_hidden_size=2,
            quantization_dim=48,  # both hidden sizes
            quantization_levels=[4, 4],
            semantic_model_config={
                "model_type": "wav2vec2-bert",
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 16,
            },
        )
    )


MAKERS = {
    "encodec": make_encodec,
    "dac": make_dac,
    "mimi": make_mimi,
    "xcodec": make_xcodec,
    "xcodec2": make_xcodec2,
}


def save_codec(kind, directory, **changes):
    """Write a random codec whose entries are apart, so that codes differ."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = MAKERS[kind](**changes).eval()
        for name, buffer in model.named_buffers():
            if name.endswith(("codebook.embed", "codebook.embed_sum")):
                buffer.normal_()
    model.save_pretrained(directory)
    return spread_codes(directory) if kind == "xcodec2" else model


def spread_codes(directory):
    """Let an X-Codec2 give different frames different codes, as a trained one does."""
    from espnet_st.slmtokbench.adapters.registry import load_adapter

    adapter = load_adapter(str(directory))
    project, seen = adapter.model.quantizer.project_in, []
    hook = project.register_forward_hook(lambda *call: seen.append(call[-1]))
    draw = torch.Generator().manual_seed(0)
    adapter.encode([0.1 * torch.randn(16000, generator=draw).numpy()], 16000)
    hook.remove()
    frames = seen[0].reshape(-1, seen[0].shape[-1])
    scale = 1 / frames.std(0)
    project.weight.data *= scale[:, None]
    project.bias.data = (project.bias.data - frames.mean(0)) * scale
    adapter.model.save_pretrained(directory)
    return adapter.model
