"""Reductions, order, counting and slopes beside PyTorch where samples do not reach: NaN, infinities, nothing, each dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau

inf, nan = float("inf"), float("nan")
ARRAYS = {
    "nan": np.array([[1.0, nan, 3, -inf, 2, 2], [inf, -0.0, 0, nan, nan, 1], [5, 5, 5, 1, 1, 2]]),
    "float64": np.array([[3.0, 1, 2], [1, 4, 5]]),
    "float16": np.array([[1e4, 6e4, 5e4], [1, 2, 3]], dtype="float16"),
    "int64": np.array([[3, 1, 2], [0, 4, 5]]),
    "int32": np.array([[2**31 - 1, 1]], dtype="int32"),
    "uint8": np.array([[3, 255, 2], [200, 100, 0]], dtype="uint8"),
    "bool": np.array([[True, False, True], [False, False, False]]),
    "complex": np.array([[1 + 2j, 3 - 1j], [0.5j, -2 + 0.5j]]),
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((2, 0), dtype="int64"),
    "number": np.array(2.5),
}
OVER = [
    "sum", "prod", "mean", "var", "amax", "amin", "max", "min", "argmax", "argmin", "all", "any", "median", "nanmedian",
    "nansum", "nanmean", "aminmax", "hash_tensor",
]  # fmt: skip
WAYS = ["f(x)", "f(x, dim=0)", "f(x, dim=-1, keepdim=True)"]
CALLS = [f"{way.replace('f', name, 1)}" for name in OVER for way in WAYS] + [
    "count_nonzero(x, 0)", "logsumexp(x, 0)", "logsumexp(x, (0, 1), True)", "cumsum(x, 0)", "cumprod(x, -1)", "cummax(x, 0)",
    "cummin(x, -1)", "logcumsumexp(x, 0)", "sort(x, stable=True)", "sort(x, 0, True)", "argsort(x, -1, True)", "msort(x)",
    "quantile(x, 0.3)", "quantile(x, 0.3, 0, True)", "nanquantile(x, 0.5, -1)", "histc(x, 4, -2, 4)", "unique(x)",
    "unique(x, True, True, True, 0)", "unique_consecutive(x, True, True)", "unique_consecutive(x, True, True, 0)",
    "nonzero(x)", "nonzero_static(x, size=4)", "argwhere(x)", "diff(x)", "diff(x, 2, 0)", "trapezoid(x)", "trapezoid(x, dx=2)",
    "cumulative_trapezoid(x)", "gradient(x)", "gradient(x, spacing=2.0, dim=1)", "tril(x)", "triu(x, 1)", "rot90(x)", "fliplr(x)",
    "flipud(x)", "norm(x)", "norm(x, 1, 0)", "norm(x, inf)", "mode(x)", "std_mean(x[:, 2:3])", "bincount(x.reshape(-1).remainder(7))",
    "repeat_interleave(x, 2)", "repeat_interleave(x, 2, 0)", "tile(x, (2, 1))", "diag(x)", "diag_embed(x)", "diagflat(x)",
    "combinations(x[0])", "take_along_dim(x, tensor([[0, -1]]), 1)", "isin(x, x[:1])", "isin(x, tensor([1, 2, 3, 4, 5, 6, 7, 255, 1]))", "cat([x, x[:0]])", "hstack([x, x])",
    "tensor_split(x, 2)", "atleast_3d(x)", "block_diag(x, x)", "cartesian_prod(x[0], x[0])", "median(x.T, 0)",
]  # fmt: skip


def outcome(lib, text, array):
    scope = {"x": lib.from_numpy(array.copy()), "tensor": lib.tensor, "inf": inf}
    try:
        made = eval(f"lib.{text}", scope | {"lib": lib})
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        return error
    return tuple(made) if isinstance(made, (tuple, list)) else (made,)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", CALLS)
def test_as_pytorch(text):
    for name, array in ARRAYS.items():
        got, expected = outcome(flambeau, text, array), outcome(torch, text, array)
        if isinstance(expected, Exception):
            kind = RuntimeError if isinstance(expected, NotImplementedError) else type(expected)
            assert isinstance(got, kind), (name, got, expected)
            continue
        assert not isinstance(got, Exception), (name, got, expected)
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            assert (g.dtype.name, tuple(g.shape)) == (str(e.dtype)[6:], tuple(e.shape)), name
            tolerance = 2e-3 if g.dtype.name == "float16" else 1e-6
            np.testing.assert_allclose(
                g.numpy(), e.resolve_conj().numpy(), rtol=tolerance, err_msg=name
            )


@pytest.mark.parametrize(
    "name", ["sum", "mean", "var", "std", "cumsum", "logsumexp", "sum_to_size"]
)
def test_sixteen_bits_are_rounded_once(name):
    array = np.random.default_rng(0).uniform(0.9, 1.1, (40, 64)).astype("float32")
    args = {"cumsum": (1,), "logsumexp": (1,), "sum_to_size": (40, 1)}.get(name, (1,))

    def found(lib):
        x = lib.from_numpy(array).to(lib.bfloat16)
        return getattr(x, name)(*args).float().numpy(), getattr(x.double(), name)(
            *args
        ).float().numpy()

    got, exact = found(flambeau)
    expected, _ = found(torch)
    step = 2.0**-8  # half the distance of neighbours among numbers near one, and their prefix sums
    assert np.abs(got / exact - 1).max() <= step
    assert np.abs(got / expected - 1).max() <= 2 * step


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "bfloat16"])
def test_scatter_reduce_of_each_dtype(reduce, include_self, dtype):
    if dtype == "bool" and reduce == "mean":
        pytest.skip("PyTorch has no mean of bools")
    rng = np.random.default_rng(1)
    x, src = rng.integers(0, 4, (4, 3)), rng.integers(0, 4, (5, 3))
    index = rng.integers(0, 4, (5, 2))

    def found(lib):
        kind = getattr(lib, dtype)
        made = (
            lib.from_numpy(x)
            .to(kind)
            .scatter_reduce(
                0,
                lib.from_numpy(index),
                lib.from_numpy(src).to(kind),
                reduce,
                include_self=include_self,
            )
        )
        return made.double().numpy()

    np.testing.assert_allclose(found(flambeau), found(torch), rtol=0.01)


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("initial", [None, 2.0])
@pytest.mark.parametrize("how", ["lengths", "offsets", "rows"])
def test_segment_reduce(reduce, initial, how):
    array = np.random.default_rng(2).uniform(-1, 1, (6, 4))

    def found(lib):
        x = lib.from_numpy(array).requires_grad_()
        given = {
            "lengths": {"lengths": lib.tensor([2, 0, 4])},
            "offsets": {"offsets": lib.tensor([0, 2, 2, 6])},
            "rows": {
                "lengths": lib.tensor([[1, 3], [0, 4], [4, 0], [2, 2], [3, 1], [1, 3]]),
                "axis": 1,
            },
        }[how]
        made = lib.segment_reduce(x, reduce, initial=initial, **given)
        finite = made[made.isfinite()]
        (finite * finite).sum().backward()
        return made.detach().numpy(), x.grad.numpy()

    for got, expected in zip(found(flambeau), found(torch)):
        np.testing.assert_allclose(got, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("bins", [4, [2, 3], "edges"])
def test_histogramdd(bins, density, weight):
    rng = np.random.default_rng(3)
    points, weights = rng.uniform(0, 1, (3, 20, 2)), rng.uniform(0, 1, (3, 20))

    def found(lib):
        given = bins
        if bins == "edges":
            given = [
                lib.linspace(0.1, 0.8, 4, dtype=lib.float64),
                lib.tensor([0.0, 0.3, 1.0], dtype=lib.float64),
            ]
        made = lib.histogramdd(
            lib.from_numpy(points),
            given,
            density=density,
            weight=lib.from_numpy(weights) if weight else None,
        )
        return [made.hist.numpy(), *(e.numpy() for e in made.bin_edges)]

    for got, expected in zip(found(flambeau), found(torch)):
        np.testing.assert_allclose(got, expected)


def test_counts_of_values_on_edges():
    values = np.linspace(-3, 3, 601).astype("float32")

    def found(lib):
        x = lib.from_numpy(values)
        return [
            lib.histc(x, 37, -2.5, 2.5).numpy(), lib.histogram(x, 37, range=(-2.5, 2.5)).hist.numpy(),
        ]  # fmt: skip

    for got, expected in zip(found(flambeau), found(torch)):
        np.testing.assert_array_equal(got, expected)


def test_range_includes_the_end():
    for args in [(3,), (1, 4), (0, 1, 0.25), (5, 1, -2), (0, 0.9, 0.1)]:
        with pytest.warns(UserWarning):
            got, expected = (
                flambeau.range(*args if len(args) > 1 else (0, *args)),
                torch.range(*args if len(args) > 1 else (0, *args)),
            )
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (7, 3), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal(shape, wrap):
    def found(lib):
        return lib.zeros(*shape).fill_diagonal_(2, wrap).numpy()

    np.testing.assert_array_equal(found(flambeau), found(torch))
