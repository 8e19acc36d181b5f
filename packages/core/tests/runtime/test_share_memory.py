"""Tensor.share_memory_(): a process forked afterwards writes into the same memory."""

from __future__ import annotations

import os

import pytest

import flambeau


def test_a_forked_process_writes_into_shared_memory():
    x = flambeau.arange(4.0)
    assert not x.is_shared()
    assert x.share_memory_() is x and x.is_shared()
    assert x.tolist() == [0, 1, 2, 3]
    child = os.fork()
    if child == 0:
        x[1] = 7.0
        os._exit(0)
    os.waitpid(child, 0)
    assert x.tolist() == [0, 7, 2, 3]


def test_a_view_is_refused():
    with pytest.raises(RuntimeError, match="is a view"):
        flambeau.ones(4)[1:].share_memory_()
