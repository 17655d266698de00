"""Muon for matrices, AdamW for the rest, and what a long training tells."""

import logging
import time

import pytest
import torch
from torch import nn

from genphoto.training.config import StageConfig
from genphoto.training.optimizers import FlatMuon, optimizers_of
from genphoto.training.standing import Pace, standing


def stage(**changes):
    return StageConfig(**{"name": "base", "kind": "image", "train": ("unet",), "steps": 9, "batch_size": 4} | changes)


def small_network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.ModuleDict(
            {
                "words": nn.Embedding(5, 8),
                "conv_in": nn.Conv2d(3, 8, 3),
                "middle": nn.Conv2d(8, 8, 3),
                "linear": nn.Linear(8, 8),
                "norm": nn.GroupNorm(2, 8),
            }
        )


def test_muon_takes_matrices_and_convolutions_and_adamw_the_rest():
    network = small_network()
    found = optimizers_of(stage(matrix_rate=4e-3), dict(network.named_parameters()), network)
    assert [id(weight) for weight in found["muon"].weights] == [id(network.middle.weight), id(network.linear.weight)]
    rest = {id(p) for group in found["adamw"].param_groups for p in group["params"]}
    assert rest == {id(p) for p in network.parameters()} - {id(network.middle.weight), id(network.linear.weight)}
    assert found["muon"].param_groups[0]["lr"] == 4e-3


def test_without_a_matrix_rate_adamw_takes_all():
    network = small_network()
    found = optimizers_of(stage(), dict(network.named_parameters()), network)
    assert list(found) == ["adamw"]


def test_muon_changes_a_convolution_by_an_orthogonal_matrix():
    weight = nn.Parameter(torch.zeros(4, 2, 3, 3))
    optimizer = FlatMuon([weight], lr=0.1, weight_decay=0.0)
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    values = torch.linalg.svdvals(weight.detach().flatten(1))
    assert values.min() > 0.05  # Newton-Schulz makes singular values of about 1, times the rate
    assert values.max() < 0.13
    optimizer.zero_grad()
    assert weight.grad is None
    before = weight.detach().clone()
    optimizer.step()
    assert torch.equal(before, weight)


def test_a_line_says_where_a_training_stands():
    line = standing("base", 1200, 17000, [9.0, *[0.25] * 50], 1.12)
    assert line == "base: step 1200 of 17000 (7%), loss 0.2500, 1.12 s a step, 4 h 55 min to go"
    assert standing("base", 1, 3, [1.0], 30).endswith("30 s a step, 1 min to go")


@pytest.mark.parametrize(("share", "warned"), [(0.4, True), (0.9, False)])
def test_a_process_that_waits_for_its_cores_is_told_once(monkeypatch, caplog, share, warned):
    monkeypatch.setattr("genphoto.training.standing.JUDGED_S", 0.02)
    monkeypatch.setattr(
        "genphoto.training.standing.time.process_time", lambda: share * torch.get_num_threads() * time.monotonic()
    )
    pace = Pace(torch.device("cpu"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pace.step():
                time.sleep(0.03)
    assert len(caplog.messages) == warned
    if warned:
        assert "other processes hold them" in caplog.messages[0]
    assert pace.step_s > 0
