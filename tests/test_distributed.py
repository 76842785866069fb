"""Sums over processes."""

import pytest
import torch

from espnet_st.distributed import all_reduce_sum, is_distributed


def add_up(rank, size, directory):
    torch.distributed.init_process_group(
        "gloo", f"file://{directory}/rendezvous", rank=rank, world_size=size
    )
    x = torch.tensor([1.0, 10.0]) * (rank + 1)
    total = all_reduce_sum(x)
    assert is_distributed() and total is not x and x[0] == rank + 1
    torch.save(total, f"{directory}/{rank}")
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(
    not torch.distributed.is_available(), reason="a torch without processes"
)
def test_every_process_gets_the_sum(tmp_path):
    torch.multiprocessing.spawn(add_up, (2, str(tmp_path)), nprocs=2)
    for rank in range(2):
        assert torch.load(tmp_path / str(rank)).tolist() == [3.0, 30.0]


def test_a_process_alone_keeps_its_own():
    x = torch.ones(2)
    assert not is_distributed() and all_reduce_sum(x) is x
