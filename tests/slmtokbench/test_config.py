from pathlib import Path

import pytest
import yaml

from espnet_st.bin.slmtokbench import get_parser, read_settings
from espnet_st.slmtokbench.config import (
    BenchmarkConfig,
    all_options,
    load_config,
    override,
)

SHIPPED = sorted(
    Path(__file__).parents[2].glob("egs2/*/speechtok1/conf/slmtokbench.yaml")
)


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_shipped_configurations_load(path):
    config = load_config(path)
    assert config.training_options().steps == config.downstream_steps
    assert set(yaml.safe_load(path.read_text())) <= set(all_options())
    assert override(BenchmarkConfig(), yaml.safe_load(config.as_yaml())) == config


def test_defaults_are_the_papers():
    options = BenchmarkConfig().training_options()
    assert (options.steps, options.batch_size, options.lr) == (200_000, 32, 1e-4)
    assert (options.hidden, options.layers, options.stack) == (1024, 2, 1)
    assert BenchmarkConfig().max_utterances == 300


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"downstream_step": 3}, "Unknown setting 'downstream_step'"),
        ({"max_utterances": "many"}, "max_utterances: got 'many', expected int"),
        ({"downstream_decay": 1}, "expected bool"),
        ({"downstream_init": "zeros"}, "expected codebooks or random"),
        ({"downstream_lr": "fast"}, "expected a number"),
        ({"language_model": "mine"}, "language_model: 'mine', expected corpus or"),
        ({"whisper_model": 3}, "whisper_model: got 3, expected str"),
        (
            {"quality": ["mos"]},
            "Unknown quality 'mos', expected one of distillmos, dnsmos",
        ),
        ({"quality": ["wavlm"]}, "Unknown quality 'wavlm'"),
        ({"recognizers": ["siri"]}, "Unknown recognizer 'siri'"),
    ],
)
def test_refusals_name_the_setting(values, message):
    with pytest.raises(ValueError, match=message):
        override(BenchmarkConfig(), values)


def test_command_line_goes_over_the_file(tmp_path):
    conf = tmp_path / "c.yaml"
    conf.write_text("max_utterances: 50\nseed: 3\n")
    args = get_parser().parse_args(
        f"--config {conf} --systems conf/systems.yaml --output_dir exp/results "
        "--max_utterances 4 --quality [stoi] --downstream_lr 1e-3 "
        "--whisper_model models/tiny".split()
    )
    config = read_settings(args)
    assert (config.max_utterances, config.seed) == (4, 3)
    assert (config.quality, config.downstream_lr) == (("stoi",), 1e-3)
    assert config.scorers["whisper_model"] == "models/tiny"
    assert config.scorers["language_model"] == "corpus"
