"""`flambeau.futures` beside PyTorch's."""

from __future__ import annotations

import threading

import pytest
import torch

import flambeau

BOTH = [torch.futures, flambeau.futures]


@pytest.mark.parametrize("futures", BOTH, ids=["torch", "flambeau"])
class TestFutures:
    def test_value(self, futures):
        future = futures.Future()
        assert not future.done()
        threading.Timer(0.01, future.set_result, (3,)).start()
        assert future.wait() == 3 and future.done() and future.value() == 3
        with pytest.raises(RuntimeError):
            future.set_result(4)

    def test_exception(self, futures):
        future = futures.Future()
        after = future.then(lambda f: f.wait() + 1)
        future.set_exception(ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            future.wait()
        with pytest.raises(Exception, match="no"):
            after.wait()
        with pytest.raises((TypeError, AssertionError)):
            futures.Future().set_exception("no")

    def test_chains(self, futures):
        seen = []
        future = futures.Future()
        future.add_done_callback(lambda f: seen.append(f.value()))
        after = future.then(lambda f: f.value() * 2).then(lambda f: f.value() + 1)
        future.set_result(5)
        assert after.wait() == 11 and seen == [5]
        future.add_done_callback(lambda f: seen.append(-f.value()))
        assert seen == [5, -5]

    def test_several(self, futures):
        made = [futures.Future() for _ in range(3)]
        together = futures.collect_all(made)
        for i, f in enumerate(made):
            assert not together.done()
            f.set_result(i)
        assert [f.wait() for f in together.wait()] == [0, 1, 2]
        assert futures.wait_all(made) == [0, 1, 2]
        failing = [futures.Future() for _ in range(2)]
        failing[1].set_exception(ValueError("of one"))
        failing[0].set_result(1)
        with pytest.raises(Exception, match="of one"):
            futures.wait_all(failing)
