import math

import pytest
import torch

from espnet_st.codes import CodesWriter
from espnet_st.slmtokbench.samples import sample_keys
from espnet_st.slmtokbench.tokens.alignment import AlignmentTask, align
from espnet_st.slmtokbench.tokens.downstream import (
    BidirectionalLSTM,
    Characters,
    DownstreamModel,
    greedy_transcript,
    log_probabilities,
    random_codebooks,
)
from espnet_st.slmtokbench.tokens.downstream_training import (
    TrainingOptions,
    train_downstream,
)

OPTIONS = TrainingOptions(
    steps=100, batch_size=16, lr=2e-2, hidden=16, layers=1, decay=True
)


def spell(text, layers=2):
    """Codes that stand for characters: three frames each, then a frame of silence."""
    frames = [code for c in text for code in [ord(c) - 64] * 3 + [0]]
    return torch.tensor([frames] * layers)


def corpus(size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    texts = {}
    for index in range(size):
        letters = torch.randint(4, (6,), generator=generator).tolist()
        texts[f"utt{index:03d}"] = "".join("ABCD"[i] for i in letters)
    return texts


def test_characters():
    characters = Characters(["BAD", "CAB"])
    assert characters.symbols == ["<blank>", "A", "B", "C", "D"]
    assert characters.decode(characters.encode("DAB")) == "DAB"
    with pytest.raises(ValueError, match=r"not in training: \['Z'\]"):
        characters.encode("ZA")


def test_greedy_merges_repeats_and_drops_blanks():
    labels = torch.tensor([1, 1, 0, 1, 2, 2, 0])
    log_probs = torch.nn.functional.one_hot(labels, 3).float()
    assert greedy_transcript(log_probs, Characters(["AB"])) == "AAB"


def test_padding_changes_nothing():
    torch.manual_seed(0)
    model = DownstreamModel(random_codebooks([8, 8], 4, 0), 5, hidden=6, stack=2).eval()
    codes = {"a": torch.randint(8, (2, 9)), "b": torch.randint(8, (2, 4))}
    together = log_probabilities(model, codes)
    for key, one in codes.items():
        alone = log_probabilities(model, {key: one})[key]
        assert alone.shape == (math.ceil(one.shape[1] / 2), 5)
        torch.testing.assert_close(together[key], alone)


def test_blstm_is_torchs_over_packed_sequences():
    torch.manual_seed(0)
    ours, theirs = (
        BidirectionalLSTM(5, 4, 2),
        torch.nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True),
    )
    for layer in range(2):
        for direction, suffix in ((ours.forwards, ""), (ours.backwards, "_reverse")):
            for name, value in direction[layer].named_parameters():
                name = name.replace("_l0", f"_l{layer}{suffix}")
                value.data = getattr(theirs, name).data
    features, lengths = torch.randn(3, 9, 5), torch.tensor([9, 4, 6])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        features, lengths, batch_first=True, enforce_sorted=False
    )
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(
        theirs(packed)[0], batch_first=True
    )
    found = ours(features, lengths)
    for row, other, length in zip(found, expected, lengths):
        torch.testing.assert_close(row[:length], other[:length])


def test_learns_to_read_codes_that_spell():
    texts = corpus(64)
    codes = {key: spell(text) for key, text in texts.items()}
    characters = Characters(list(texts.values()))
    losses = []
    model = train_downstream(
        codes,
        texts,
        random_codebooks([8, 8], 8, 0),
        characters,
        OPTIONS,
        lambda step, loss: losses.append(loss),
    )
    assert losses[-1] < 0.2 * losses[0]
    held_out = corpus(8, seed=1)
    found = log_probabilities(model, {k: spell(t) for k, t in held_out.items()})
    right = [greedy_transcript(found[k], characters) == held_out[k] for k in held_out]
    assert sum(right) >= 7


def test_alignment_tells_spelling_from_noise(tmp_path):
    for name, size, seed in (("train", 64, 0), ("dev", 12, 1), ("test", 12, 2)):
        texts = corpus(size, seed)
        generator = torch.Generator().manual_seed(seed)
        for kind in ("spelt", "noise"):
            with CodesWriter(tmp_path / kind / name) as writer:
                for key, text in texts.items():
                    codes = spell(text)
                    if kind == "noise":
                        codes = torch.randint(5, codes.shape, generator=generator)
                    writer[key] = codes
        (tmp_path / "raw" / name).mkdir(parents=True)
        lines = "".join(f"{key} {text}\n" for key, text in texts.items())
        (tmp_path / "raw" / name / "text").write_text(lines)

    def score(kind):
        return align(
            AlignmentTask(
                kind,
                tmp_path / kind,
                tmp_path / "raw",
                "train",
                "dev",
                "test",
                n_layers=1,
                codebooks=random_codebooks([8], 8, 0),
                options=OPTIONS,
                mi_utterances=10,
                test_utterances=10,
            )
        )

    spelt, noise = score("spelt"), score("noise")
    assert spelt["mi"] > 5 + max(noise["mi"], 0)
    assert spelt["wer"] < 30 < noise["wer"]
    assert spelt["utterances"] == 10
    assert spelt["left_out"] == 0


def test_sample_is_seeded_and_sorted():
    keys = [f"u{i}" for i in range(20)]
    assert sample_keys(keys, 5, 0) == sample_keys(reversed(keys), 5, 0)
    assert sample_keys(keys, 5, 0) != sample_keys(keys, 5, 1)
    assert sample_keys(keys, 99, 0) == sorted(keys)
