"""Every operator of the registry compiled equals eager mode, forward and gradient, on its samples.

Here, and not beside the other tests of compiling, because it compiles a thousand kernels: a minute where none is cached.

One program an operator: its first samples together, in float64 and as float32, with a backward inside. What a program cannot hold
runs eagerly with a reason that this test knows.
"""

from __future__ import annotations

import warnings

import pytest

import flambeau
from flambeau.backends import cpu
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close, samples_of
from flambeau.testing.samples import Sample

COUNT = 2  # samples of an operator in one program
# Operators whose calls leave the program, by how they do.
EAGER = (
    "item()",
    "numpy()",
    "drawing by its elements",
    "tolist()",
    "bool()",
    "shape depends on values",
)
LEFT_OUT = {
    "draw": "its samples are random",
    "write_view": "made by tracers only",
    "copy_into": "writes memory: every in-place operator uses it",
    "to_device": "one device here",
    "empty_like": "its values are arbitrary",
}


def sampled(op):
    try:
        return bool(samples_of(op))
    except LookupError:
        return False  # test_registry.py says why


NAMES = [n for n, op in sorted(registry.items()) if n not in LEFT_OUT and sampled(op)]

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")


def tensors(made):
    found = made if isinstance(made, (tuple, list)) else (made,)
    return [t for t in found if isinstance(t, flambeau.Tensor)]


def fresh(x, dtype):
    """A copy of an argument with memory of its own, floats in `dtype`."""
    if isinstance(x, flambeau.Tensor):
        made = x.detach().clone()
        made = made.to(dtype) if made.dtype is flambeau.float64 else made
        return made.requires_grad_(x.requires_grad)
    return type(x)(fresh(v, dtype) for v in x) if type(x) in (list, tuple) else x


def step(op, samples: list[Sample]):
    """A call of each sample, and the backward of all that has gradients."""
    leaves = [t for s in samples for t in s.tensors if t.requires_grad]

    def run():
        for t in leaves:
            t.grad = None
        outs = [t for s in samples for t in tensors(op.public(*s.args, **s.kwargs))]
        floats = [t for t in outs if t.requires_grad and t.dtype.is_floating_point]
        if floats:
            sum((t * t.detach().cos()).sum() for t in floats).backward()
        return [t.detach() * 1 for t in outs if t.layout is flambeau.strided]

    return run, leaves


@pytest.mark.parametrize("name", NAMES)
def test_compiled_equals_eager(name):
    op = registry[name]
    chosen = [s for s in samples_of(op) if s.grad][:COUNT] or list(samples_of(op))[:COUNT]
    samples = [
        Sample(*fresh(s.args, flambeau.float32), **{k: fresh(v, flambeau.float32) for k, v in s.kwargs.items()})
        for s in chosen
    ]  # fmt: skip
    eager, leaves = step(op, samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flambeau.manual_seed(0)
        expected = eager()
        grads = [t.grad for t in leaves]
        compiled = flambeau.compile(eager)
        for _ in range(4):  # captured with gradients absent and present, recorded, replayed
            flambeau.manual_seed(0)
            found = compiled()
            assert_close(found, expected, rtol=2e-4, atol=2e-5, equal_nan=True)
            assert_close([t.grad for t in leaves if t.grad is not None], [g for g in grads if g is not None], rtol=2e-3, atol=2e-4, equal_nan=True)  # fmt: skip
            assert [t.grad is None for t in leaves] == [g is None for g in grads]
    reasons = [p for plans in compiled._plans.values() for p in plans if isinstance(p, str)]
    assert all(any(word in reason for word in EAGER) for reason in reasons), reasons
