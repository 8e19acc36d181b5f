"""Schedules, hand-overs, counts and memory as PyTorch's profiler has them."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch
import torch.profiler

import flambeau
import flambeau.profiler

BOTH = [torch, flambeau]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wait, warmup, active", list(itertools.product((0, 1, 2), (0, 1), (1, 3))))
def test_schedules(wait, warmup, active):
    for repeat, skip, first in itertools.product((0, 1, 2), (0, 2), (0, 1)):
        plans = [
            lib.profiler.schedule(
                wait=wait,
                warmup=warmup,
                active=active,
                repeat=repeat,
                skip_first=skip,
                skip_first_wait=first,
            )
            for lib in BOTH
        ]
        theirs, ours = ([plan(step).name for step in range(25)] for plan in plans)
        assert ours == theirs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", [0, 1, 3, 4, 9, 10])
def test_hand_overs(steps):
    found = []
    for lib in BOTH:
        seen = []

        def ready(prof):
            names = sorted({e.name for e in prof.events() if e.name.startswith("ProfilerStep")})
            seen.append((prof.step_num, names))

        plan = lib.profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
        cpu = [lib.profiler.ProfilerActivity.CPU]
        with lib.profiler.profile(activities=cpu, schedule=plan, on_trace_ready=ready) as prof:
            for _ in range(steps):
                lib.ones(3).exp()
                prof.step()
        found.append((seen, prof.step_num))
    assert found[1] == found[0]


def test_counts_memory_and_shapes():
    found = []
    for lib in BOTH:
        net = lib.nn.Sequential(lib.nn.Linear(8, 4), lib.nn.ReLU())
        x = lib.ones(16, 8)
        cpu = [lib.profiler.ProfilerActivity.CPU]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with lib.profiler.profile(
                activities=cpu, record_shapes=True, profile_memory=True
            ) as prof:
                with lib.profiler.record_function("mine"):
                    y = net(x)
                y.sum().backward()
        keys = (
            "mine",
            "aten::linear",
            "aten::relu",
            "aten::sum",
            "AddmmBackward0",
            "ReluBackward0",
        )
        averages = {e.key: e for e in prof.key_averages()}
        shapes = [e.input_shapes[:2] for e in prof.events() if e.name == "aten::linear"]
        memory = [averages[k].cpu_memory_usage for k in ("aten::linear", "aten::relu")]
        found.append(([averages[k].count for k in keys if k != "aten::sum"], shapes, memory))
        columns = prof.key_averages().table().splitlines()[1].split("  ")
        found[-1] += ([c.strip() for c in columns if c.strip()],)
    assert found[1] == found[0]
