"""Every operator of the registry, on its samples: nothing here names an operator except to say why it is left out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.func import jvp, vjp, vmap
from flambeau.runtime.dispatch import meta_of
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close, missing_rules, samples_of

# Operators without samples of their own, and why.
UNSAMPLED = {
    "draw": "random: tested against recorded numbers in tests/runtime/test_random.py",
    "fill_new": "has no tensor inputs; behind zeros, ones and full",
    "range_new": "has no tensor inputs; behind arange and linspace",
    "copy_into": "writes memory; tested by every in-place operator",
    "write_view": "made by the tracer only; tested in tests/transforms/test_trace.py",
    "to_device": "one device here; tested by nox -s gpu",
    "bernoulli": "random: tested against recorded numbers",
    "multinomial": "random: tested against recorded numbers",
    "poisson": "random: tested against PyTorch, word for word",
    "dropout": "random: tested in tests/nn and against PyTorch",
    "feature_dropout": "random: tested in tests/nn and against PyTorch",
    "alpha_dropout": "random: tested in tests/nn and against PyTorch",
    "feature_alpha_dropout": "random: tested in tests/nn and against PyTorch",
    "empty_like": "its values are arbitrary",
    "lobpcg": "starts at random: tested in tests/ops/test_linalg.py",
    "pca_lowrank": "random projections: tested in tests/ops/test_linalg.py",
    "svd_lowrank": "random projections: tested in tests/ops/test_linalg.py",
}
SAMPLED = [op for name, op in sorted(registry.items()) if name not in UNSAMPLED]
EACH = pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
FLOATS = ("float64", "complex128")


def outputs(made):
    """The tensors of a result."""
    return (
        [made]
        if isinstance(made, flambeau.Tensor)
        else [m for m in made if isinstance(m, flambeau.Tensor)]
    )


def floating(made):
    return [m for m in outputs(made) if m.dtype.name in FLOATS]


def leaves(sample):
    """The differentiable inputs."""
    return [t for t in sample.tensors if t.requires_grad]


def with_leaves(op, sample):
    """The call as a function of its differentiable inputs."""
    moved = {id(t): i for i, t in enumerate(leaves(sample))}

    def call(*given):
        def put(x):
            if isinstance(x, flambeau.Tensor):
                return given[moved[id(x)]] if id(x) in moved else x
            return type(x)(map(put, x)) if type(x) in (list, tuple) else x

        return tuple(
            floating(
                op.public(*map(put, sample.args), **{k: put(v) for k, v in sample.kwargs.items()})
            )
        )

    return call


def inner(a, b):
    """The real inner product: of complex numbers, as pairs."""
    return (a.conj() * b).sum().real


def differentiable(op, sample):
    return (
        sample.grad
        and "vjp" not in op.refusals
        and leaves(sample)
        and all(t.dtype.name in FLOATS for t in leaves(sample))
    )


@pytest.mark.parametrize("op", registry.values(), ids=lambda op: op.name)
def test_every_operator_is_complete(op):
    assert missing_rules(op) == []
    if op.name not in UNSAMPLED:
        assert samples_of(op)


@EACH
def test_inferred_meta_is_the_real_one(op):
    if op.family not in ("primitive", "view") or op.name in (
        "nonzero_table",
        "unique_parts",
        "run_parts",
    ):
        assert samples_of(op)
        return
    for sample in samples_of(op):
        arrays, attrs = op.bind(sample.args, sample.kwargs)
        if op.promote is not None:
            arrays = op.promote(op, arrays, attrs)
        expected = op.call_body(tuple(map(meta_of, arrays)), attrs)
        made = op.public(*sample.args, **sample.kwargs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        assert [o._meta for o in outputs(made)] == list(expected), sample


@EACH
def test_inputs_are_untouched(op):
    for sample in samples_of(op):
        before = [t.detach().numpy().copy() for t in sample.tensors]
        op.public(*sample.args, **sample.kwargs)
        for t, b in zip(sample.tensors, before):
            np.testing.assert_array_equal(t.detach().numpy(), b)


@EACH
def test_gradients_equal_finite_differences(op):
    for sample in samples_of(op):
        if differentiable(op, sample):
            assert gradcheck(with_leaves(op, sample), tuple(leaves(sample)))


@EACH
def test_second_derivatives_equal_finite_differences(op):
    for sample in samples_of(op)[:2]:
        if differentiable(op, sample) and any(
            o.requires_grad for o in with_leaves(op, sample)(*leaves(sample))
        ):
            assert gradgradcheck(with_leaves(op, sample), tuple(leaves(sample)))


@EACH
def test_forward_mode_is_the_transpose_of_reverse_mode(op):
    for sample in samples_of(op):
        if not differentiable(op, sample):
            continue
        call, inputs = with_leaves(op, sample), tuple(t.detach() for t in leaves(sample))
        tangents = tuple(flambeau.cos(x * 3 + 1) for x in inputs)
        if not call(*inputs):
            continue  # integer outputs do not move
        out, moved = jvp(call, inputs, tangents)
        cotangents = tuple(flambeau.sin(o.detach() * 2 + 1) for o in out)
        pulled = vjp(call, *inputs)[1](cotangents)
        forward = sum(inner(c, m) for c, m in zip(cotangents, moved))
        reverse = sum(inner(g, t) for g, t in zip(pulled, tangents))
        assert_close(flambeau.as_tensor(forward), flambeau.as_tensor(reverse), rtol=1e-6, atol=1e-8)


@EACH
def test_vmap_is_a_loop(op):
    if "vmap" in op.refusals:
        return
    for sample in samples_of(op):
        tensors = [t for t in sample.tensors if t.dtype.name in FLOATS]
        if not sample.batch or not tensors:
            continue
        moved = {id(t): i for i, t in enumerate(tensors)}

        def call(*given):
            def put(x):
                if isinstance(x, flambeau.Tensor):
                    return given[moved[id(x)]] if id(x) in moved else x
                return type(x)(map(put, x)) if type(x) in (list, tuple) else x

            return tuple(
                outputs(
                    op.public(
                        *map(put, sample.args), **{k: put(v) for k, v in sample.kwargs.items()}
                    )
                )
            )

        batches = [
            flambeau.stack([t.detach(), t.detach() * 0.9, t.detach() * 0.8]) for t in tensors
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if op.batch_rule is None else "error")
            made = vmap(call)(*batches)
        rows = [call(*(b[i] for b in batches)) for i in range(3)]
        for k, m in enumerate(made):
            assert_close(
                m, flambeau.stack([r[k] for r in rows]), rtol=1e-9, atol=1e-9, equal_nan=True
            )


@EACH
def test_in_place_and_out_equal_the_functional_form(op):
    twin = getattr(flambeau.Tensor, op.name + "_", None)
    for sample in samples_of(op):
        plain = [a.detach() if isinstance(a, flambeau.Tensor) else a for a in sample.args]
        if not all(isinstance(a, (flambeau.Tensor, int, float)) for a in plain) or op.name in (
            "copy_into",
            "index_put",
        ):
            continue
        if any(isinstance(v, flambeau.Tensor) for v in sample.kwargs.values()):
            continue
        made = op.public(*plain, **sample.kwargs)
        if not isinstance(made, flambeau.Tensor):
            continue
        if op.family in ("elementwise", "reduction"):
            out = flambeau.empty(0, dtype=made.dtype)
            assert op.public(*plain, **sample.kwargs, out=out) is out
            assert_close(out, made, equal_nan=True)
        if twin is not None and made.shape == plain[0].shape:
            into = plain[0].clone()
            if flambeau.can_cast(made.dtype, into.dtype):
                assert twin(into, *plain[1:], **sample.kwargs) is into
                assert_close(into, made.to(into.dtype), equal_nan=True)
                assert into._version > 0


@EACH
def test_gradients_on_raw_arrays_equal_the_recorded_ones(op):
    """Without create_graph rules may run on NumPy arrays; with it they run on tensors: one answer."""
    for sample in samples_of(op):
        if not differentiable(op, sample):
            continue
        call, inputs = with_leaves(op, sample), tuple(leaves(sample))
        outs = [o for o in call(*inputs) if o.requires_grad]
        if not outs:
            continue
        seeds = [flambeau.sin(o.detach() * 2 + 1) for o in outs]
        fast = flambeau.autograd.grad(outs, inputs, seeds, retain_graph=True, allow_unused=True)
        slow = flambeau.autograd.grad(outs, inputs, seeds, create_graph=True, allow_unused=True)
        for f, s in zip(fast, slow):
            assert (f is None) == (s is None)
            if f is not None:
                assert_close(f, s.detach(), rtol=1e-12, atol=1e-12, equal_nan=True)
