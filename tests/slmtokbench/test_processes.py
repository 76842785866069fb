"""The machine's cores are shared among the downstream recognisers."""

import pytest
import torch

from espnet_st.slmtokbench import processes
from espnet_st.slmtokbench.tokens import alignment_scores


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(1, 2, 1), (2, 2, 1), (8, 1, 8), (8, 2, 4), (64, 4, 16), (8, 0, 8)],
)
def test_workers_share_the_cores(monkeypatch, cores, workers, threads):
    monkeypatch.setattr(processes, "usable_cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert processes.threads_each(workers) == threads


@pytest.mark.parametrize(
    ("value", "threads"),
    [("1", 1), ("3", 3), ("64", 4), ("2,1", 2), ("0", 1), ("", 4), ("many", 4)],
)
def test_no_worker_takes_more_threads_than_it_is_allowed(monkeypatch, value, threads):
    monkeypatch.setattr(processes, "usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert processes.threads_each(2) == threads


@pytest.mark.parametrize(("tasks", "nj"), [(1, 2), (2, 1)])
def test_one_process_takes_all_cores_and_gives_them_back(monkeypatch, tasks, nj):
    monkeypatch.setattr(processes, "usable_cores", lambda: 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(
        alignment_scores,
        "_try_align",
        lambda task: ({"threads": torch.get_num_threads()}, ""),
    )
    before = torch.get_num_threads()
    found = dict(alignment_scores._align_all({str(n): None for n in range(tasks)}, nj))
    assert [one["threads"] for one, _ in found.values()] == [3] * tasks
    assert torch.get_num_threads() == before


def test_each_of_several_processes_has_its_share():
    with processes.worker_pool(1, threads=3) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3


def test_there_is_a_core_to_use():
    assert processes.usable_cores() >= 1
