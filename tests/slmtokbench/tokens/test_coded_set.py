import numpy as np
import pytest
import torch

from espnet_st.slmtokbench.tokens.coded_set import CodedSet


def test_layers_of_any_size_arrays_and_tensors():
    coded = CodedSet.of(
        {"u": torch.tensor([[3, 1], [70000, 0]]), "v": np.array([[2.0], [5.0]])},
        (4, 100_000),
        12.5,
    )
    assert coded.n_q == 2
    assert coded.layer(1)["u"].tolist() == [70000, 0]
    assert coded.layer(0)["v"].tolist() == [2]
    assert coded.seconds("u") == pytest.approx(0.16)


def test_one_layer_may_come_flat():
    coded = CodedSet.of({"u": [1, 2, 3]}, 500, 50)
    assert coded.codebook_sizes == (500,)
    assert coded.codes["u"].shape == (1, 3)


@pytest.mark.parametrize(
    ("codes", "sizes", "rate", "message"),
    [
        ({}, 4, 50, "no utterance has codes"),
        ({"u": [[0, 4]]}, 4, 50, r"layer 1 lie in \[0, 4\]; expected \[0, 3\]"),
        ({"u": [[0], [0]], "v": [[0], [-1]]}, 4, 50, r"of v in layer 2 lie in \[-1"),
        ({"u": [[0], [0]], "v": [[0]]}, 4, 50, "v have 1 layers, those of u have 2"),
        ({"u": [[0.5]]}, 4, 50, "no integers"),
        ({"u": [[float("nan")]]}, 4, 50, "no integers"),
        ({"u": np.zeros((1, 0), int)}, 4, 50, "not empty"),
        ({"u": np.zeros((1, 1, 1), int)}, 4, 50, r"expected \(n_q, T\)"),
        ({"u": [[0], [0]]}, (4,), 50, "for codes of 2 layers"),
        ({"u": [[0]]}, 0, 50, "positive number"),
        ({"u": [[0]]}, 4, 0, "frames per second; expected more than 0"),
        ({"u": [[0]]}, 4, float("nan"), "frames per second"),
    ],
)
def test_bad_codes_are_refused(codes, sizes, rate, message):
    with pytest.raises(ValueError, match=message):
        CodedSet.of(codes, sizes, rate)
