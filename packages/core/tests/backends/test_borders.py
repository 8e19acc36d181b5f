"""Padding taken whole: equal to the body, forward and backward, on one thread and on three."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, borders, threads
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
CASES = [((3, 5, 40), (2, 4)), ((40, 30), (29, 1)), ((2, 3, 9, 31), (1, 0, 8, 3)), ((2, 7, 6, 33), (0, 0, 2, 5)),
         ((1, 2, 4, 6, 25), (3, 1, 0, 5, 2, 3)), ((4, 1, 300), (0, 0)), ((2, 6, 5, 30), (4, 4, 4, 4))]  # fmt: skip


def call(x, pad, mode, whole):
    """`pad` by the kernel, or by the body, whose kernel is then not asked."""
    op = registry["pad"]
    before, op.providers["cpu"] = (
        op.providers["cpu"],
        op.providers["cpu"] if whole else [],
    )
    try:
        return flambeau.nn.functional.pad(x, pad, mode=mode)
    finally:
        op.providers["cpu"] = before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_the_kernel_is_the_body(mode, dtype, monkeypatch):
    called = []
    run = borders._plan
    monkeypatch.setattr(borders, "_plan", lambda *a: (called.append(a), run(*a))[1])
    threads_before = threads.count()
    flambeau.nn.functional.pad(flambeau.ones(2, 4000), (1, 1), mode=mode)
    for count in (1, 3):
        threads.set_count(count)
        try:
            for shape, pad in CASES:
                values = np.random.default_rng(1).standard_normal((*shape[:-1], shape[-1]))
                results = []
                for whole in (True, False):
                    x = flambeau.tensor(values.astype(dtype), requires_grad=True)
                    wide = flambeau.cat([x] * 40) if x.ndim > 2 else x
                    made = call(wide, pad, mode, whole)
                    weights = flambeau.arange(made.numel()).reshape(made.shape).to(made.dtype) % 7
                    (made * weights).sum().backward()
                    results.append((made.detach().numpy(), x.grad.numpy()))
                np.testing.assert_array_equal(results[0][0], results[1][0])
                np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5, atol=1e-4)
        finally:
            threads.set_count(threads_before)
    assert len(called) >= 4 * len(CASES)


def test_what_it_leaves_to_the_body():
    x = flambeau.randn(2, 3, 40, 41)
    for pad, mode in [((-1, 2), "reflect"), ((3, 3), "constant"), ((41, 0), "reflect")]:
        assert not borders._accepts([x._meta], {"pad": pad, "mode": mode, "value": None})
    with pytest.raises(RuntimeError, match="Padding size should be less"):
        flambeau.nn.functional.pad(x, (41, 0, 0, 0), mode="reflect")
    last = x.contiguous(memory_format=flambeau.channels_last)
    made = flambeau.nn.functional.pad(last, (1, 1, 2, 2), mode="reflect")
    assert made.is_contiguous(memory_format=flambeau.channels_last)
    np.testing.assert_array_equal(
        made.numpy(), flambeau.nn.functional.pad(x, (1, 1, 2, 2), mode="reflect").numpy()
    )
    twice = flambeau.randn(2, 900, requires_grad=True, dtype=flambeau.float64)
    assert flambeau.autograd.gradgradcheck(
        lambda t: (flambeau.nn.functional.pad(t[:, :600], (2, 3), mode="reflect") ** 2)[:, :9], (twice,)
    )  # fmt: skip
