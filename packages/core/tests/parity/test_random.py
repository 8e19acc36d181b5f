"""Random numbers against PyTorch: same seed, same calls in turn, same bits, same state afterwards.

Run as a script, this file records PyTorch's figures for the tests that run without it.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from flambeau._base import dtypes
from flambeau.runtime import random

FIGURES = Path(__file__).parents[1] / "runtime" / "random_figures.json"
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
SIZES = (0, 1, 2, 3, 15, 16, 17, 31, 33, 100, 623, 624, 625, 5000)

# function of flambeau.runtime.random, dtype, other arguments
Draw = tuple[str, str, dict[str, Any]]


def draws(n: int) -> Iterator[Draw]:
    """Every function on n elements, in an order that leaves a cached normal number to be found by others."""
    for dtype in (*FLOATS, "complex64", "complex128"):
        yield "uniform", dtype, {"shape": (n,)}
        for mean, std in ((0.0, 1.0), (0.0, 0.02), (0.3, 1.0), (0.1, 1.3), (5.0, 0.0)):
            yield "normal", dtype, {"shape": (n,), "mean": mean, "std": std}
    for dtype in FLOATS:
        for low, high in ((-0.37, 1.13), (0.0, 3.3), (1.0, 1.01)):
            yield "uniform", dtype, {"shape": (n,), "low": low, "high": high}
        yield "exponential", dtype, {"shape": (n,), "rate": 1.7}
        yield "cauchy", dtype, {"shape": (n,), "median": 0.3, "sigma": 1.7}
        yield "log_normal", dtype, {"shape": (n,), "mean": 0.3, "std": 1.7}
        yield "bernoulli", dtype, {"shape": (n,), "p": "tensor"}
        if n:
            yield "multinomial", dtype, {"n": n, "num_samples": 1}
            yield "multinomial", dtype, {"n": n, "num_samples": 20, "replacement": True}
    for dtype in (*FLOATS, *INTEGERS, "bool"):
        yield "bernoulli", dtype, {"shape": (n,), "p": 0.3}
        yield "random", dtype, {"shape": (n,)}
        yield "random", dtype, {"shape": (n,), "low": 1}
        yield "randint", dtype, {"shape": (n,), "low": 0, "high": 2 if dtype == "bool" else 100}
        if dtype != "bool":
            yield "geometric", dtype, {"shape": (n,), "p": 0.1}
    for dtype in ("int64", "int32", "float64", "float32"):
        for low, high in ((0, 2**28 - 1), (0, 2**28), (-5, 2**31 - 1)):
            yield "randint", dtype, {"shape": (n,), "low": low, "high": high}
        yield "randperm", dtype, {"n": n}
    for low, high in ((0, 2**40), (-(10**12), 10**12 + 3), (-(2**63), 2**63 - 1)):
        yield "randint", "int64", {"shape": (n,), "low": low, "high": high}
    yield "random", "int64", {"shape": (n,), "low": -(2**63)}
    if n:
        # Of thousands of float32 quotients some pairs are equal, and PyTorch's order of equals is its sort's affair.
        yield "multinomial", "float32", {"n": n, "num_samples": min(n, 50)}
        yield "multinomial", "float64", {"n": n, "num_samples": (n + 1) // 2}


def weights(n: int, dtype: str) -> torch.Tensor:
    return (torch.arange(n) * 37 % 101 + 1).to(getattr(torch, dtype)) / 128


def by_torch(generator: torch.Generator, draw: Draw) -> torch.Tensor:
    name, dtype_name, given = draw
    given = dict(given)
    dtype = getattr(torch, dtype_name)
    if name == "randperm":
        return torch.randperm(given["n"], dtype=dtype, generator=generator)
    if name == "multinomial":
        return torch.multinomial(weights(given.pop("n"), dtype_name), generator=generator, **given)
    out = torch.empty(given["shape"], dtype=dtype)
    fill: dict[str, Callable[[], torch.Tensor]] = {
        "uniform": lambda: (
            out.uniform_(given.get("low", 0), given.get("high", 1), generator=generator)
            if not dtype.is_complex
            else torch.rand(given["shape"], dtype=dtype, generator=generator)
        ),
        "normal": lambda: out.normal_(given["mean"], given["std"], generator=generator),
        "exponential": lambda: out.exponential_(given["rate"], generator=generator),
        "cauchy": lambda: out.cauchy_(given["median"], given["sigma"], generator=generator),
        "log_normal": lambda: out.log_normal_(given["mean"], given["std"], generator=generator),
        "geometric": lambda: out.geometric_(given["p"], generator=generator),
        "bernoulli": lambda: (
            torch.bernoulli(weights(out.numel(), dtype_name), generator=generator)
            if given["p"] == "tensor"
            else out.bernoulli_(given["p"], generator=generator)
        ),
        "random": lambda: (
            out.random_(given["low"], None, generator=generator)
            if "low" in given
            else out.random_(generator=generator)
        ),
        "randint": lambda: torch.randint(
            given["low"], given["high"], given["shape"], dtype=dtype, generator=generator
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float dtypes with ranges that they cannot hold in full
        return fill[name]()


def by_us(generator: random.Generator, draw: Draw) -> np.ndarray:
    name, dtype_name, given = draw
    given = dict(given)
    dtype = dtypes._by_name(dtype_name).numpy
    if name == "multinomial":
        return random.multinomial(
            generator, as_numpy(weights(given.pop("n"), dtype_name), dtype), **given
        )
    if given.get("p") == "tensor":
        given["p"] = as_numpy(weights(given["shape"][0], dtype_name), dtype)
    return getattr(random, name)(generator, dtype=dtype, **given)


def as_numpy(tensor: torch.Tensor, dtype: np.dtype) -> np.ndarray:
    return np.frombuffer(raw(tensor), dtype).reshape(tensor.shape)


def raw(tensor: torch.Tensor) -> bytes:
    return (
        tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    )


@pytest.mark.parametrize("seed", [0, 1, 42, 2**40 + 5, -7])
def test_mixed_calls_give_pytorchs_bits_and_leave_its_state(seed: int) -> None:
    ours, theirs = random.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    for n in SIZES:
        for draw in draws(n):
            expected = by_torch(theirs, draw)
            got = by_us(ours, draw)
            assert got.shape == tuple(expected.shape), draw
            assert got.tobytes() == raw(expected), draw
            assert ours._get_bytes().tobytes() == theirs.get_state().numpy().tobytes(), draw


def test_rows_of_multinomial_and_non_contiguous_normals() -> None:
    ours, theirs = random.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    rows = torch.rand(7, 33, generator=theirs)
    np.testing.assert_array_equal(random.uniform(ours, (7, 33), np.dtype("float32")), rows.numpy())
    for samples, replacement in ((5, False), (50, True), (1, False)):
        expected = torch.multinomial(rows, samples, replacement, generator=theirs)
        got = random.multinomial(ours, rows.numpy(), samples, replacement)
        np.testing.assert_array_equal(got, expected.numpy())
    expected = torch.empty(5, 14)[:, ::2].normal_(generator=theirs)
    got = random.normal(ours, (5, 7), np.dtype("float32"), contiguous=False)
    np.testing.assert_array_equal(got, expected.numpy())


def test_states_go_both_ways() -> None:
    ours, theirs = random.Generator(), torch.Generator()
    for taken in (0, 1, 5, 623, 624, 625, 1000):
        ours.manual_seed(taken), theirs.manual_seed(taken)
        torch.rand(taken, generator=theirs), torch.randn(3, generator=theirs)
        ours._set_bytes(theirs.get_state().numpy())
        assert random.normal(ours, (9,), np.dtype("float32")).tobytes() == raw(
            torch.randn(9, generator=theirs)
        )
        theirs.set_state(torch.from_numpy(ours._get_bytes()))
        assert random.normal(ours, (40,), np.dtype("float32")).tobytes() == raw(
            torch.randn(40, generator=theirs)
        )


@pytest.mark.parametrize("dtype", FLOATS)
def test_dropout_masks(dtype: str) -> None:
    ours = random.Generator().manual_seed(11)
    torch.manual_seed(11)
    for p in (0.1, 0.5, 0.9, 1 / 3):
        ones = torch.ones(1000, dtype=getattr(torch, dtype))
        expected = torch.nn.functional.dropout(ones, p)
        got = random.dropout_mask(ours, p, (1000,), dtypes._by_name(dtype).numpy)
        assert got.tobytes() == raw(expected), p


def test_a_million_of_each_float32_normal_is_exact() -> None:
    ours, theirs = random.Generator().manual_seed(9), torch.Generator().manual_seed(9)
    expected = torch.randn(1_000_003, generator=theirs)
    assert random.normal(ours, (1_000_003,), np.dtype("float32")).tobytes() == raw(expected)
    expected = torch.randperm(1_000_003, generator=theirs)
    assert random.randperm(ours, 1_000_003, np.dtype("int64")).tobytes() == raw(expected)


def record() -> list[dict[str, Any]]:
    """One generator, every draw in turn at four sizes: what came, and the state after it, in digests."""
    generator = torch.Generator().manual_seed(20261122)
    rows = []
    for n in (3, 16, 100, 700):
        for draw in draws(n):
            name, dtype, given = draw
            if name == "multinomial" or given.get("p") == "tensor":
                continue  # these need an input array; test_random.py has them with numbers written out
            values = raw(by_torch(generator, draw))
            state = generator.get_state().numpy().tobytes()
            rows.append(
                {
                    "name": name,
                    "dtype": dtype,
                    "given": given,
                    "values": digest(values),
                    "state": digest(state),
                }
            )
    return rows


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def test_the_recorded_figures_are_pytorchs() -> None:
    assert json.loads(FIGURES.read_text()) == json.loads(json.dumps(record()))


if __name__ == "__main__":
    FIGURES.write_text("[\n" + ",\n".join(json.dumps(row) for row in record()) + "\n]\n")


def fills(lib: Any) -> dict[str, Callable[[Any], Any]]:
    return {
        "uniform_": lambda t: t.uniform_(-1, 2),
        "normal_": lambda t: t.normal_(0.1, 2.0),
        "bernoulli_": lambda t: t.bernoulli_(0.3),
        "exponential_": lambda t: t.exponential_(2.0),
        "random_": lambda t: t.random_(0, 9),
        "rand_like": lambda t: lib.rand_like(t),
        "randn_like": lambda t: lib.randn_like(t),
        "randint_like": lambda t: lib.randint_like(t, 9),
        "bernoulli": lambda t: lib.bernoulli(t * 0 + 0.4),
        "dropout": lambda t: lib.nn.functional.dropout(t * 0 + 1, 0.4),
        "dropout1d": lambda t: lib.nn.functional.dropout1d(t * 0 + 1, 0.4),
        "alpha_dropout": lambda t: lib.nn.functional.alpha_dropout(t * 0 + 1, 0.4, True),
    }


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda lib: lib.zeros(4, 5, 6),
    "turned": lambda lib: lib.zeros(20, 21).t(),
    "permuted": lambda lib: lib.zeros(4, 5, 6).permute(2, 0, 1),
    "every second": lambda lib: lib.zeros(20, 20)[:, ::2],
    "turned, every second": lambda lib: lib.zeros(20, 20).t()[:, ::2],
    "one row": lambda lib: lib.zeros(1, 30).t(),
}


def both(make: Callable[[Any], Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What `make(torch)` and `make(flambeau)` give from the same seed, and the states they leave."""
    torch.manual_seed(3), flambeau.manual_seed(3)
    sides = []
    for lib in (torch, flambeau):
        made = make(lib)
        tensors = list(made) if isinstance(made, (list, tuple)) else [made]
        sides.append([t.detach().numpy() for t in (*tensors, lib.get_rng_state())])
    return sides[0], sides[1]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", fills(torch))
def test_tensors_are_filled_in_pytorchs_order(name: str, layout: str) -> None:
    expected, got = both(lambda lib: fills(lib)[name](LAYOUTS[layout](lib)))
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)


MODULES: dict[str, Callable[[Any], Any]] = {
    "Linear": lambda nn: nn.Linear(10, 5),
    "Conv2d": lambda nn: nn.Conv2d(3, 8, 3),
    "ConvTranspose2d": lambda nn: nn.ConvTranspose2d(3, 4, 3),
    "Embedding": lambda nn: nn.Embedding(10, 5),
    "LSTM": lambda nn: nn.LSTM(4, 5, 2),
    "GRU": lambda nn: nn.GRU(4, 5),
    "MultiheadAttention": lambda nn: nn.MultiheadAttention(8, 2),
    "TransformerEncoderLayer": lambda nn: nn.TransformerEncoderLayer(8, 2, 16),
    "Bilinear": lambda nn: nn.Bilinear(3, 4, 5),
}


@pytest.mark.parametrize("name", MODULES)
def test_new_modules_have_pytorchs_weights(name: str) -> None:
    expected, got = both(lambda lib: [*MODULES[name](lib.nn).parameters()])
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)


@pytest.mark.parametrize(
    "name",
    ["uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "trunc_normal_",
     "sparse_"],
)  # fmt: skip
def test_initial_values(name: str) -> None:
    given = {"sparsity": 0.1} if name == "sparse_" else {}
    expected, got = both(lambda lib: getattr(lib.nn.init, name)(lib.empty(20, 30), **given))
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)


def test_orthogonal_values_differ_by_the_decomposition_only() -> None:
    expected, got = both(lambda lib: lib.nn.init.orthogonal_(lib.empty(20, 30)))
    np.testing.assert_allclose(got[0], expected[0], atol=1e-6)
    np.testing.assert_array_equal(got[1], expected[1])


def test_data_is_shuffled_and_split_alike() -> None:
    def epoch(lib: Any) -> list[Any]:
        utils = lib.utils.data
        data = utils.TensorDataset(lib.arange(20))
        first = lib.tensor(utils.random_split(list(range(10)), [7, 3])[0].indices)
        drawn = lib.tensor(list(utils.WeightedRandomSampler([0.1, 0.2, 0.7], 10)))
        return [
            first,
            drawn,
            *(batch[0] for batch in utils.DataLoader(data, batch_size=7, shuffle=True)),
        ]

    expected, got = both(epoch)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16"])
def test_slopes_of_rrelu(kind):
    """Drawn for elements that are not positive, in their order, and used before they are rounded."""

    def made(lib):
        lib.manual_seed(3)
        x = lib.linspace(-1, 1, 9).to(getattr(lib, kind)).requires_grad_()
        y = lib.nn.functional.rrelu(x, training=True)
        y.sum().backward()
        z = lib.nn.functional.rrelu(lib.linspace(-1, 1, 12).reshape(3, 4).t(), 0.1, 0.9, True)
        return [t.detach().double().tolist() for t in (y, x.grad, z, lib.rand(1))]

    assert made(flambeau) == made(torch)
