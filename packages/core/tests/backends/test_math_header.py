"""The scalar functions of the C header: how many units in the last place from the truth, edges, and vector loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from flambeau import ir
from flambeau.backends.cpu import available, compiler, library
from flambeau.backends.cpu.kernel import compile_elementwise, source_of

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")


def log_or_nan(f):
    return lambda v: f(v) if v > 0 else -math.inf if v == 0 else math.nan


# (true value, units in the last place allowed); sigmoid's truth is by its stabler half
FUNCTIONS = {
    "exp": (math.exp, 1),
    "exp2": (lambda v: 2.0**v, 1),
    "expm1": (math.expm1, 2),
    "log": (log_or_nan(math.log), 1),
    "log2": (log_or_nan(math.log2), 2),
    "log10": (log_or_nan(math.log10), 2),
    "log1p": (lambda v: math.log1p(v) if v > -1 else math.nan, 1),
    "tanh": (math.tanh, 3),
    "sinh": (math.sinh, 2),
    "cosh": (math.cosh, 2),
    "erf": (math.erf, 2),
    "erfc": (math.erfc, 8),
    "sigmoid": (lambda v: 1 / (1 + math.exp(-v)) if v > 0 else math.exp(v) / (1 + math.exp(v)), 3),
}
COMPILED: dict = {}


def run(name: str, values: np.ndarray) -> np.ndarray:
    key = name, values.dtype.name
    if key not in COMPILED:
        expr = ir.Expr(name, (ir.var("x"),))
        COMPILED[key] = compile_elementwise({"out": expr}, {"x": values.dtype.name})
    return COMPILED[key](values)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_units_in_the_last_place(name, dtype):
    truth, allowed = FUNCTIONS[name]
    rng = np.random.default_rng(11)
    wide, near = (
        rng.uniform(-20, 20, 2000),
        rng.normal(size=2000) * rng.choice([1, 0.1, 1e-4, 1e-9], 2000),
    )
    values = np.concatenate([wide, near]).astype(dtype)
    if name in ("log", "log2", "log10"):
        values = np.abs(np.concatenate([values, np.exp(rng.uniform(-80, 80, 500))])).astype(dtype)
    if name == "log1p":
        values = values[values > -1]
    want = np.array([truth(float(v)) for v in values])
    unit = np.spacing(np.abs(want).astype(dtype)).astype(np.float64)
    # math's own functions are within one unit of double, which is added there
    slack = 1 if dtype is np.float64 else 0
    assert (np.abs(run(name, values) - want) / unit).max() <= allowed + slack


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(dtype):
    info = np.finfo(dtype)
    tiny = info.smallest_subnormal
    inf, nan = math.inf, math.nan

    def same(name, values, want):
        got = run(name, np.array(values, dtype))
        want = np.array(want, dtype)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(np.signbit(got[got == got]), np.signbit(want[want == want]))

    top = math.log(float(info.max))
    same("exp", [nan, inf, -inf, 0.0, -0.0, 2 * top, -2 * top], [nan, inf, 0, 1, 1, inf, 0])
    assert np.isfinite(run("exp", np.array([top * (1 - 4 * info.eps)], dtype)))
    same("exp2", [info.minexp - info.nmant, info.maxexp, 3], [tiny, inf, 8])
    same("expm1", [nan, inf, -inf, -0.0, 0.0, tiny], [nan, inf, -1, -0.0, 0.0, tiny])
    same("log", [nan, inf, -inf, 0.0, -0.0, -1, 1], [nan, inf, nan, -inf, -inf, nan, 0])
    same("log2", [tiny, 8, 0.25], [info.minexp - info.nmant, 3, -2])
    same("log1p", [nan, inf, -1, -2, -0.0, tiny], [nan, inf, -inf, nan, -0.0, tiny])
    same("tanh", [nan, inf, -inf, -0.0, 100, tiny], [nan, 1, -1, -0.0, 1, tiny])
    same("sinh", [nan, inf, -inf, -0.0], [nan, inf, -inf, -0.0])
    same("cosh", [nan, inf, -inf, -0.0], [nan, inf, inf, 1])
    same("erf", [nan, inf, -inf, -0.0, 30], [nan, 1, -1, -0.0, 1])
    same("erfc", [nan, inf, -inf, 0.0, 40], [nan, 0, 2, 1, 0])
    same("sigmoid", [nan, inf, -inf, 0.0], [nan, 1, 0, 0.5])


def test_subnormal_results_round_once():
    values = np.linspace(-103.9, -87.5, 1000, dtype=np.float32)
    np.testing.assert_allclose(
        run("exp", values), np.exp(values.astype("f8")), atol=1.5e-45, rtol=1e-7
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", [*FUNCTIONS, "maximum", "sign", "rsqrt", "floor", "round", "where"]
)
def test_gcc_vectorises_the_loop(name, dtype, tmp_path):
    found = compiler.find()
    if "clang" in found.version:
        pytest.skip("asks gcc for its report of vectorised loops")
    args = [ir.var(n) for n in "xyz"][: {"maximum": 2, "where": 3}.get(name, 1)]
    inputs = dict.fromkeys([a.value for a in args], dtype)
    expr = ir.where(args[0] > 0, *args[1:]) if name == "where" else ir.Expr(name, tuple(args))
    kernel = compile_elementwise({"out": expr}, inputs)
    source = tmp_path / "kernel.c"
    source.write_text(source_of(kernel.nest([np.ones(4, dtype) for _ in args])))
    command = [
        *found.command,
        *found.flags,
        "-DFB_WIDE_H",  # without the loop on vectors that stands beside the plain one
        "-fopt-info-vec-optimized",
        str(source),
        "-o",
        str(tmp_path / "k.so"),
        "-lm",
    ]
    assert "loop vectorized" in compiler._run(command, 60)


def test_the_header_is_package_data():
    assert {"fb_math.h", "fb_pool.c", "fb_wide.h"} <= {
        p.name for p in Path(library.HEADERS).iterdir()
    }
