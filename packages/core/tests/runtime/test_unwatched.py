"""Writes of a layer's own state on the array itself: the same numbers as the operators', and declined where somebody watches."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.runtime.tensor import wrap
from flambeau.runtime.unwatched import blend, count_up


def test_counts_and_blends_in_place():
    n = flambeau.tensor(2)
    assert count_up(n) and n.item() == 3 and n._version == 1 and n.dtype is flambeau.int64
    a, b = flambeau.tensor([1.0, float("inf")]), flambeau.tensor([3.0, 4.0])
    view = a[:1]
    assert blend(a, b, 0.0, 0.5)
    assert a[0] == 1.5 and a[1].isnan() and view[0] == 1.5 and a._version == 1
    assert b.tolist() == [3.0, 4.0]


def test_declines_what_others_see():
    a, b = flambeau.ones(2), flambeau.ones(2)
    frozen = np.ones(2, np.float32)
    frozen.flags.writeable = False
    base = flambeau.ones(4)
    for target in (
        flambeau.ones(2, requires_grad=True),
        base[:2],
        flambeau.ones(1).expand(2),
        wrap(frozen),
    ):
        assert not blend(target, b, 0.5, 0.5)
    for new, keep in ((flambeau.ones(3), 0.5), (b.double(), 0.5), (b, np.float64(0.5))):
        assert not blend(a, new, keep, 0.5)
    assert not blend(flambeau.tensor([1, 1]), flambeau.tensor([1, 1]), 0.5, 0.5)
    seen = []

    def step(n):
        seen.append(count_up(n))
        return n

    flambeau.func.vmap(step)(flambeau.arange(3))
    with flambeau.autocast("cpu"):
        seen.append(count_up(flambeau.tensor(0)))
    assert seen == [False, False]
    with flambeau.inference_mode():
        made = flambeau.tensor(0)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        count_up(made)


@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64])
@pytest.mark.parametrize("momentum", [0.1, 1, None])
def test_running_statistics_are_those_of_the_operators(dtype, momentum):
    flambeau.manual_seed(0)
    x = flambeau.randn(6, 5, 3, dtype=dtype)
    plain, watched = (nn.BatchNorm1d(5, momentum=momentum, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a = plain(x)
        with flambeau.autocast("cpu", enabled=True):  # under it nothing is written unwatched
            b = watched(x)
        assert flambeau.equal(a, b)
    for name, value in plain.state_dict().items():
        assert flambeau.equal(value, watched.state_dict()[name]), name
    assert plain.num_batches_tracked == 3
