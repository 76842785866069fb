"""Configurations of tiny models that ESPnet's own commands train for a step or two."""

TRAINING = {
    "batch_type": "unsorted",
    "max_epoch": 1,
    "num_workers": 0,
    "optim": "adam",
    "best_model_criterion": [["train", "total_count", "max"]],
    "keep_nbest_models": 1,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "num_att_plot": 0,
}
RECOGNISER = {
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 8,
        "attention_heads": 2,
        "linear_units": 8,
        "num_blocks": 1,
        "input_layer": "linear",
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 8, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.5},
}
TEXTS = {"u0": "AB A", "u1": "BA", "u2": "B", "u3": "A BA"}
