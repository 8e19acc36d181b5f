"""Every operator compiled on "cuda" with a processor in the GPU's place: results and gradients are the CPU's.

Half a minute on two cores; it runs where CuPy is, in `nox -s cuda-text`.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

import pytest

pytest.importorskip("cupy", reason="CuPy is not installed: nox -s cuda-text")

import flambeau
import flambeau.testing  # fills the registry
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close, samples_of

sys.path.insert(0, str(Path(__file__).parent))
from processor import in_place_of_cuda

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler on this machine"),
]
# Where a matrix has no full rank the factors that LAPACK and array functions find differ.
OTHER_ALGORITHM = {"least_squares", "linalg_lstsq", "geqrf"}
# These know NumPy's arrays by their class, and give plain ones of the stand-in's memory.
OF_MEMORY = {"as_strided", "as_strided_copy", "strided_view"}


def sampled(op):
    try:
        return not op.random and op.name not in OTHER_ALGORITHM | OF_MEMORY and bool(samples_of(op))
    except LookupError:
        return False


SAMPLED = [op for _, op in sorted(registry.items()) if sampled(op)]


def moved(value):
    if isinstance(value, flambeau.Tensor):
        return value.detach().to("cuda").requires_grad_(value.requires_grad)
    return type(value)(map(moved, value)) if type(value) in (list, tuple) else value


def tensors(made):
    found = (
        [made]
        if isinstance(made, flambeau.Tensor)
        else made
        if isinstance(made, (tuple, list))
        else []
    )
    return [t for t in found if isinstance(t, flambeau.Tensor)]


def leaves(value):
    if isinstance(value, flambeau.Tensor):
        return [value] if value.requires_grad else []
    return [t for v in value for t in leaves(v)] if type(value) in (list, tuple) else []


def squares(outs):
    return sum((o * o.conj()).real.sum() if o.is_complex() else (o * o).sum() for o in outs)


CLOSE = {"rtol": 1e-4, "atol": 1e-4, "equal_nan": True}


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_results_and_gradients_equal_the_cpus(op):
    sample = next(iter(samples_of(op)))
    if sample.kwargs.get("device") is not None or not sample.tensors:
        return
    with warnings.catch_warnings(), in_place_of_cuda():
        warnings.simplefilter("ignore")  # what runs eagerly says so
        args = [moved(a) for a in sample.args]
        kwargs = {k: moved(v) for k, v in sample.kwargs.items()}
        with flambeau.no_grad():
            want = tensors(op.public(*sample.args, **sample.kwargs))
            f = flambeau.compile(lambda *a: op.public(*a, **kwargs))
            for _ in range(3):  # eager, step by step, recorded
                for a, b in zip(tensors(f(*args)), want, strict=True):
                    assert a.dtype is b.dtype and a.device.type == "cuda"
                    assert_close(a.cpu(), b, **CLOSE)
        if sample.grad and "vjp" not in op.refusals and leaves(args):
            gradients_equal(op, sample, args, kwargs)


def gradients_equal(op, sample, args, kwargs):
    def run(*a):
        outs = [t for t in tensors(op.public(*a, **kwargs)) if t.requires_grad]
        return squares(outs) if outs else flambeau.zeros(())

    here = leaves(list(sample.args))
    outs = [t for t in tensors(op.public(*sample.args, **sample.kwargs)) if t.requires_grad]
    if not outs:
        return
    want = flambeau.autograd.grad(squares(outs), here, allow_unused=True)
    f = flambeau.compile(run)
    for _ in range(3):
        got = flambeau.autograd.grad(f(*args), leaves(args), allow_unused=True)
        for a, b in zip(got, want, strict=True):
            if a is None or b is None:
                assert not any(x.any() for x in (a, b) if x is not None)  # none, or zeros
            else:
                assert_close(a.cpu(), b, **CLOSE)
