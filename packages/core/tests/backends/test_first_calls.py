"""The first calls of a process, made by several threads at once: kernels are compiled, loaded and entered meanwhile."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import threading
import flambeau
from flambeau import nn

F = nn.functional
x = flambeau.arange(2 * 3 * 96 * 96).reshape(2, 3, 96, 96) % 7 * 0.25
w = flambeau.ones(4, 3, 3, 3)
calls = [
    lambda: F.conv2d(x, w).sum().item(), lambda: F.max_pool2d(x, 2).sum().item(), lambda: x.softmax(-1).sum().item(),
    lambda: x.flatten().sort()[0][-1].item(), lambda: (x * 2 + 1).exp().sum().item(), lambda: F.layer_norm(x, (96,)).abs().sum().item(),
    lambda: x.cumsum(-1)[..., -1].sum().item(), lambda: flambeau.compile(lambda t: (t.tanh() * t).sum())(x).item(),
]
start, found = threading.Barrier(6), [[] for _ in range(6)]
def work(i):
    start.wait()
    for k in range(len(calls)):
        n = (i + k) % len(calls)
        found[i].append((n, calls[n]()))
threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
for t in threads: t.start()
for t in threads: t.join()
wanted = [f() for f in calls]
for made in found:
    assert len(made) == len(calls), "a thread ended with an error"
    for k, value in made:
        assert abs(value - wanted[k]) <= 1e-5 * abs(wanted[k]), (k, value, wanted[k])
print("same")
"""


@pytest.mark.parametrize("count", ["1", "2"])
def test_threads_that_begin_together_get_the_same(count, monkeypatch):
    monkeypatch.setenv("FLAMBEAU_NUM_THREADS", count)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "same\n", done.stderr[-2000:]
