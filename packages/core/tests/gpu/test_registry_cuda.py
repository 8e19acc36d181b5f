"""Every operator of the registry on its samples: CUDA's results and gradients equal the CPU's."""

from __future__ import annotations

import pytest

import flambeau
import flambeau.testing  # fills the registry
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close, samples_of


def sampled(op):
    """Whether there are samples: the operators without any are random, or make tensors from nothing."""
    try:
        return bool(samples_of(op)) and op.name != "empty_like"
    except LookupError:
        return False


SAMPLED = [op for _, op in sorted(registry.items()) if sampled(op)]
EACH = pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
# By another algorithm than the CPU's: sums in another order, products in blocks.
CLOSE = {"rtol": 1e-5, "atol": 1e-6, "equal_nan": True}


def moved(value):
    """The same argument on the GPU, tensors as leaves of their own."""
    if isinstance(value, flambeau.Tensor):
        return value.detach().to("cuda").requires_grad_(value.requires_grad)
    if type(value) in (list, tuple):
        return type(value)(map(moved, value))
    return value


def tensors(made):
    found = [made] if isinstance(made, flambeau.Tensor) else list(made)
    return [t for t in found if isinstance(t, flambeau.Tensor)]


def leaves(value):
    if isinstance(value, flambeau.Tensor):
        return [value] if value.requires_grad else []
    return [t for v in value for t in leaves(v)] if type(value) in (list, tuple) else []


@EACH
def test_results_equal_the_cpus(op):
    for sample in samples_of(op):
        want = tensors(op.public(*sample.args, **sample.kwargs))
        kwargs = {k: moved(v) for k, v in sample.kwargs.items()}
        kwargs |= {"device": "cuda"} if sample.kwargs.get("device") is not None else {}
        got = tensors(op.public(*map(moved, sample.args), **kwargs))
        for a, b in zip(got, want, strict=True):
            if sample.tensors:
                assert a.device.type == "cuda", op.name
            assert a.dtype is b.dtype
            assert_close(a.detach().cpu(), b.detach(), **CLOSE)


@EACH
def test_gradients_equal_the_cpus(op):
    if "vjp" in op.refusals:
        return
    for sample in samples_of(op):
        if not sample.grad or not leaves(list(sample.args)):
            continue
        args = [moved(a) for a in sample.args]
        found = []
        for given in (list(sample.args), args):
            outs = [t for t in tensors(op.public(*given, **sample.kwargs)) if t.requires_grad]
            if outs:
                total = sum(
                    (o * o.conj()).real.sum() if o.is_complex() else (o * o).sum() for o in outs
                )
                found.append(flambeau.autograd.grad(total, leaves(given), allow_unused=True))
        if found:
            for a, b in zip(found[1], found[0], strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    assert_close(a.cpu(), b, **CLOSE)


@pytest.mark.parametrize(
    "name", ["gelu", "silu", "softplus", "mish", "lerp", "clamp", "hardswish", "logit"]
)
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64], ids=str)
def test_generated_kernels_equal_the_reference(name, dtype):
    op = registry[name]
    if op.family == "composite":
        args = [flambeau.randn(3, 5000, dtype=dtype), -0.5, 1.0]
    else:
        args = [flambeau.rand(3, 5000, dtype=dtype) for _ in op.arrays]
    made = op.public(*[moved(a) for a in args]).cpu()
    assert_close(
        made, op.public(*args), rtol=1e-5 if dtype is flambeau.float32 else 1e-12, atol=1e-6
    )
    turned = [a.mT if isinstance(a, flambeau.Tensor) else a for a in args]
    assert_close(
        op.public(*[moved(a) for a in turned]).cpu(), op.public(*turned), rtol=1e-5, atol=1e-6
    )
