"""Eager mode's compiled kernels: used from the threshold on, equal to the reference, differentiable, free at import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import flambeau
import flambeau.special  # some operators are its own
from flambeau.backends.cpu import available, elementwise, providers
from flambeau.runtime.dispatch import apply, backends, choose
from flambeau.runtime.operator import MISSING, registry

needs_compiler = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
POSITIVE = {"log", "log2", "log10", "log1p", "pow", "logit"}
UNCHANGED = {
    "frac",
    "copysign",
    "angle_of_real",
    "quotient_to_zero",
    "quotient_down",
    "add",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "round",
    "clamp_number",
}  # nothing to compute: g, or zero


def test_the_table_follows_what_numpy_vectorises(monkeypatch):
    monkeypatch.setattr(providers, "numpy_has_avx512", lambda: True)
    assert "sinh" not in providers.table()
    monkeypatch.setattr(providers, "numpy_has_avx512", lambda: False)
    assert providers.table()["sinh"] == providers.SCALAR
    for name in providers.table():
        assert registry[name].family == "elementwise"


def test_every_operator_of_the_table_is_registered():
    backends.of_device("cpu")
    for name in providers.OPERATORS:
        assert "cpu" in registry[name].providers, name


BY_HAND = {name for names in providers.BY_HAND.values() for name in names}
COMPILED = [name for name in providers.OPERATORS if name not in BY_HAND]


@needs_compiler
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64], ids=str)
@pytest.mark.parametrize("name", COMPILED)
def test_large_arrays_are_compiled_and_equal_the_reference(name, dtype):
    op = registry[name]
    n = max(providers.OPERATORS[name], 1000)
    x = flambeau.linspace(0.01 if name in POSITIVE else -6, 6, n).to(dtype)
    if not op.takes("float"):
        x = x.long()
    operands = [x, x.flip(0) + 1, x * 2 - 1][: len(op.arrays)]
    if name == "where":
        operands[0] = x > 0
    values = {p: op.defaults[i] for i, p in op.attrs}
    attrs = {p: 0.5 if v is MISSING else v for p, v in values.items()}
    cpu = backends.of_device("cpu")
    if (
        name == "gelu" and dtype is flambeau.float32
    ):  # by hand: tests/backends/test_rows_and_channels.py
        assert choose(op, cpu, operands, attrs) is not op.kernels[None]
        return
    if name == "pow" and dtype is flambeau.float64:  # NumPy's loop: test_ufuncs.py
        return
    assert isinstance(choose(op, cpu, operands, attrs), elementwise.Compiled)
    if providers.OPERATORS[name] > 8:
        few = [o[:8] for o in operands]
        assert not isinstance(choose(op, cpu, few, attrs), elementwise.Compiled)
    compiled = choose(op, cpu, operands, attrs)
    raw = [o.numpy() for o in operands]
    assert compiled.call(tuple(raw), attrs) is not None
    with np.errstate(all="ignore"):
        want = op.kernels[None](cpu.xp, *raw, **attrs)
    got = compiled(cpu.xp, *raw, **attrs)
    assert got.dtype == want.dtype
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    eps = np.finfo(want.dtype).eps
    np.testing.assert_allclose(got, want, rtol=16 * eps, atol=8 * eps)


@needs_compiler
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rows_are_compiled_and_equal_the_reference(name, dtype):
    op = registry[name]
    cpu = backends.of_device("cpu")
    eps = np.finfo(dtype.numpy).eps
    for shape in ((300, 77), (3, 20, 1003), (9000, 1), (2, 5000)):
        x = (flambeau.randn(*shape) * 5).to(dtype)
        attrs = {"dim": -1, "dtype": None}
        assert choose(op, cpu, (x,), attrs) is op.providers["cpu"][0][1]
        want = op.kernels[None](cpu.xp, x.numpy().astype("f8"), **attrs)
        np.testing.assert_allclose(op.public(x, -1).numpy(), want, rtol=32 * eps, atol=8 * eps)
    strided = (flambeau.randn(200, 300) * 5).to(dtype).t()
    np.testing.assert_allclose(
        op.public(strided, 1).numpy(), op.public(strided.contiguous(), 1).numpy()
    )


@needs_compiler
def test_rows_with_infinities_and_nan():
    x = flambeau.randn(100, 200)
    x[0, 3], x[1, 5], x[2, 7] = float("inf"), float("nan"), float("-inf")
    x[3] = float("-inf")
    for name in ("softmax", "log_softmax"):
        op = registry[name]
        with np.errstate(all="ignore"):
            want = op.kernels[None](backends.of_device("cpu").xp, x.numpy(), dim=-1, dtype=None)
        np.testing.assert_allclose(op.public(x, -1).numpy(), want, rtol=1e-5, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64], ids=str)
@pytest.mark.parametrize("name", [n for n in COMPILED if "vjp" not in registry[n].refusals])
def test_large_gradients_are_compiled_and_equal_the_reference(name, dtype, monkeypatch):
    op = registry[name]
    values = flambeau.linspace(0.01 if name in POSITIVE else -6, 6, providers.GRADIENTS).to(dtype)
    g = flambeau.randn(providers.GRADIENTS).to(dtype)
    more = [values.flip(0) + 0.7, values * 2 - 1]
    attrs = {p: 0.5 if op.defaults[i] is MISSING else op.defaults[i] for i, p in op.attrs}
    compiled = []
    large = op.vjp_rule.large
    monkeypatch.setattr(op.vjp_rule, "large", lambda *a: compiled.append(large(*a)) or compiled[-1])

    def gradients():
        inputs = [x.clone().requires_grad_() for x in [values, *more][: len(op.arrays)]]
        operands = inputs if name != "where" else [values > 0, *inputs[1:]]
        apply(op, tuple(operands), attrs).backward(g)
        return [x.grad.numpy() for x in (inputs[1:] if name == "where" else inputs)]

    got = gradients()
    assert compiled
    if name not in UNCHANGED:
        assert compiled[0] is not None
    monkeypatch.setattr(op.vjp_rule, "large_from", 1 << 62)
    eps = np.finfo(got[0].dtype).eps
    for mine, theirs in zip(got, gradients(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=32 * eps, atol=16 * eps)


@needs_compiler
def test_compiled_gradients_notice_inputs_that_were_written():
    x = flambeau.randn(1 << 16).requires_grad_()
    y = x * 1
    out = flambeau.nn.functional.gelu(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


@needs_compiler
def test_static_arguments_reach_the_kernel():
    x = flambeau.linspace(-4, 4, 1 << 16)
    soft = flambeau.nn.functional.softplus
    for beta, threshold in ((1.0, 20.0), (3.0, 2.0)):
        got = soft(x, beta, threshold)
        np.testing.assert_allclose(
            got[::999].numpy(), soft(x[::999].clone(), beta, threshold).numpy(), rtol=1e-5
        )
    gelu = flambeau.nn.functional.gelu
    assert not np.array_equal(gelu(x).numpy(), gelu(x, approximate="tanh").numpy())


@needs_compiler
def test_transposed_and_strided_tensors_keep_their_values():
    x = flambeau.randn(1000, 500)
    for view in (x.t(), x[::2, 1::3], x.expand(3, 1000, 500)):
        np.testing.assert_allclose(
            flambeau.sigmoid(view).numpy(), 1 / (1 + np.exp(-view.numpy().astype("f8"))), rtol=1e-6
        )


@pytest.mark.slow
def test_importing_compiles_and_starts_nothing():
    code = (
        "import sys, threading, flambeau\n"
        "flambeau.ones(3) + 1\n"
        "assert 'flambeau.backends.cpu.library' not in sys.modules\n"
        "assert 'hashlib' not in sys.modules and 'subprocess' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_show_config_names_what_matters(capsys):
    config = flambeau.show_config()
    printed = capsys.readouterr().out
    for entry in ("flambeau", "python", "numpy", "kernels", "threads", "gpu"):
        assert entry in config
        assert config[entry] in printed


def test_show_config_says_why_there_are_no_kernels(monkeypatch, capsys):
    from flambeau.backends.cpu import library, threads

    before = library._state, threads._pool
    library.reset()
    monkeypatch.setenv("CC", "/nonexistent")
    monkeypatch.delenv("FLAMBEAU_KERNELS", raising=False)
    try:
        assert flambeau.show_config()["kernels"].startswith(
            "NumPy only: /nonexistent does not start"
        )
    finally:
        library._state, threads._pool = before
