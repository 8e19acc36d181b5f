"""Random numbers without PyTorch: the figures in random_figures.json were recorded from PyTorch 2.13 (CPU, x86).

`python packages/core/tests/parity/test_random.py` records them anew; the parity session checks them.
"""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import flambeau
from flambeau._base import dtypes
from flambeau.runtime import random
from flambeau.runtime.permutation import swapped_in_turn
from flambeau.runtime.random import Generator

FIGURES = json.loads((Path(__file__).parent / "random_figures.json").read_text())
F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_every_recorded_draw_and_the_state_after_it() -> None:
    generator = seeded(20261122)
    for row in FIGURES:
        dtype = dtypes._by_name(row["dtype"]).numpy
        got = getattr(random, row["name"])(generator, dtype=dtype, **row["given"])
        assert got.dtype == dtype
        assert digest(got.tobytes()) == row["values"], row
        assert digest(generator._get_bytes().tobytes()) == row["state"], row


def test_numbers_everyone_knows() -> None:
    # torch.manual_seed(0); torch.rand(3), torch.randn(3), torch.randperm(10), each after seeding
    np.testing.assert_array_equal(
        random.uniform(seeded(), (3,), F32),
        np.float32([0.49625658988952637, 0.7682217955589294, 0.08847743272781372]),
    )
    np.testing.assert_array_equal(
        random.normal(seeded(), (3,), F32),
        np.float32([1.5409960746765137, -0.293428897857666, -2.1787893772125244]),
    )
    assert random.randperm(seeded(), 10, I64).tolist() == [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]
    weights = np.float32([0.1, 0.2, 0.3, 0.4])
    assert (
        random.multinomial(seeded(), weights, 8, replacement=True).tolist()
        == RECORDED["with_replacement"]
    )
    assert random.multinomial(seeded(), weights, 4).tolist() == RECORDED["without_replacement"]
    assert random.bernoulli(seeded(), weights, (3, 4), F32).tolist() == RECORDED["bernoulli"]
    np.testing.assert_array_equal(
        random.dropout_mask(seeded(), 0.1, (8,), F32), np.float32(RECORDED["dropout"])
    )


RECORDED = {
    # torch.multinomial(w, 8, True); torch.multinomial(w, 4); torch.bernoulli(w.expand(3, 4));
    # torch.nn.functional.dropout(torch.ones(8), 0.1); each after torch.manual_seed(0)
    "with_replacement": [3, 3, 2, 3, 3, 3, 1, 2],
    "without_replacement": [2, 1, 3, 0],
    "bernoulli": [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
    "dropout": [
        0.0,
        1.1111111640930176,
        1.1111111640930176,
        0.0,
        1.1111111640930176,
        1.1111111640930176,
        1.1111111640930176,
        1.1111111640930176,
    ],
}


def test_equal_seeds_equal_streams_and_a_state_goes_on_where_it_was() -> None:
    one, two = seeded(5), seeded(5)
    (
        random.normal(one, (7,), F32),
        random.normal(two, (7,), F32),
    )  # odd: a number waits in the generator
    state = one._get_bytes()
    first = random.normal(one, (100,), F64)
    np.testing.assert_array_equal(first, random.normal(two, (100,), F64))
    one._set_bytes(state)
    np.testing.assert_array_equal(first, random.normal(one, (100,), F64))
    assert one.initial_seed() == 5


def test_copies_are_independent() -> None:
    generator = seeded(1)
    random.uniform(generator, (10,), F32)
    for twin in (
        copy.deepcopy(generator),
        pickle.loads(pickle.dumps(generator)),
        generator.clone_state(),
    ):
        assert twin._get_bytes().tobytes() == generator._get_bytes().tobytes()
        random.uniform(twin, (1,), F32)
        assert twin._get_bytes().tobytes() != generator._get_bytes().tobytes()


def test_seeds() -> None:
    assert Generator().initial_seed() == 67280421310721
    assert seeded(-1).initial_seed() == 2**64 - 1
    assert 0 <= Generator().seed() < 2**53
    assert Generator().seed() != Generator().seed()
    for bad in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="manual_seed: expected a seed in"):
            seeded(bad)
    with pytest.raises(RuntimeError, match="manual_seed expected a long, but got float"):
        seeded(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw, error, text",
    [
        (np.zeros(5056, np.uint8), RuntimeError, "Invalid mt19937 state"),
        (
            np.zeros(5, np.uint8),
            RuntimeError,
            "size 5056 but found the input RNG state size to be 5",
        ),
        (np.zeros(5056, np.float32), TypeError, "must be a flambeau.ByteTensor"),
    ],
)
def test_bytes_that_are_no_state_are_refused(
    raw: np.ndarray, error: type[Exception], text: str
) -> None:
    generator = seeded(3)
    before = generator._get_bytes()
    with pytest.raises(error, match=text):
        generator._set_bytes(raw)
    np.testing.assert_array_equal(generator._get_bytes(), before)


def test_a_state_position_outside_the_words_is_refused() -> None:
    raw = seeded(3)._get_bytes()
    raw[16:24] = np.frombuffer(np.uint64(700).tobytes(), np.uint8)
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        Generator()._set_bytes(raw)


def test_the_default_generator() -> None:
    assert random.manual_seed(12) is random.default_generator
    assert random.initial_seed() == 12
    state = random.get_rng_state()
    first = random.uniform(None, (3,), F32)
    random.set_rng_state(state)
    np.testing.assert_array_equal(first, random.uniform(None, (3,), F32))
    assert random.seed() == random.initial_seed() != 12


def test_threads_share_a_generator_without_losing_words() -> None:
    generator = seeded(8)
    parts: list[np.ndarray] = []
    threads = [
        threading.Thread(
            target=lambda: parts.extend(random.uniform(generator, (64,), F64) for _ in range(50))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = random.uniform(seeded(8), (4 * 50 * 64,), F64)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(expected))


def test_shapes_and_empty_draws() -> None:
    generator = seeded()
    assert random.uniform(generator, (), F32).shape == ()
    assert random.normal(generator, (2, 0, 3), F32).shape == (2, 0, 3)
    assert random.randperm(generator, 0, I64).shape == (0,)
    assert random.randint(generator, 0, 5, (2, 3), I64).shape == (2, 3)
    assert random.multinomial(generator, np.ones((0, 3), np.float32), 2).shape == (0, 2)


@pytest.mark.parametrize("n", [2, 300, 5000, 100_000])
def test_many_swaps_at_once_equal_one_after_the_other(n: int) -> None:
    draws = np.random.default_rng(n)
    first = np.arange(n - 1)
    collide = (
        np.full(n - 1, n - 1) if n <= 5000 else first
    )  # each of these has to wait for the one before
    for second in (first + draws.integers(0, n - first), collide, draws.integers(0, first + 1)):
        values = list(range(n))
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            values[a], values[b] = values[b], values[a]
        assert swapped_in_turn(n, first, second).tolist() == values


def test_long_permutations_are_built_from_the_inside_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "_LONG_PERMUTATION", 1000)
    got = random.randperm(seeded(4), 1000, I64)
    words = seeded(4)._uint64(1000)
    expected: list[int] = []
    for i, word in enumerate(words.tolist()):
        at = word % (i + 1)
        expected.append(i)
        expected[i], expected[at] = expected[at], i
    assert got.tolist() == expected


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda g: random.uniform(g, (2,), F32, 2, 1), RuntimeError, r"found from=2 > to=1"),
        (
            lambda g: random.uniform(g, (2,), I64),
            NotImplementedError,
            '"check_uniform_bounds" not implemented',
        ),
        (
            lambda g: random.uniform(g, (2,), np.dtype("float16"), 0, 1e6),
            RuntimeError,
            "to is out of bounds",
        ),
        (
            lambda g: random.normal(g, (2,), F32, 0, -1),
            RuntimeError,
            "std >= 0.0, but found std -1",
        ),
        (
            lambda g: random.normal(g, (2,), I64),
            NotImplementedError,
            '"normal_kernel_cpu" not implemented',
        ),
        (lambda g: random.randint(g, 5, 5, (2,), I64), RuntimeError, "from=5 >= to=5"),
        (
            lambda g: random.randint(g, 0, 257, (2,), np.dtype("uint8")),
            RuntimeError,
            "to - 1 is out of bounds",
        ),
        (lambda g: random.randint(g, 0, 2**64, (2,), I64), ValueError, "does not fit into 64 bits"),
        (
            lambda g: random.randint(g, 0, 5, (2,), np.dtype("complex64")),
            RuntimeError,
            "check_random_bounds",
        ),
        (lambda g: random.randperm(g, -1, I64), RuntimeError, "non-negative, but got -1"),
        (
            lambda g: random.randperm(g, 300, np.dtype("uint8")),
            RuntimeError,
            "cannot be converted to uint8",
        ),
        (
            lambda g: random.randperm(g, 3000, np.dtype("float16")),
            RuntimeError,
            "greater than 2049",
        ),
        (
            lambda g: random.bernoulli(g, 1.5, (2,), F32),
            RuntimeError,
            r"p to be in \[0, 1\], but got p=1.5",
        ),
        (
            lambda g: random.bernoulli(g, np.float32([2]), (2,), F32),
            RuntimeError,
            r"probability to be in \[0, 1\]",
        ),
        (
            lambda g: random.bernoulli(g, np.int64([1]), (2,), F32),
            NotImplementedError,
            "bernoulli_tensor_cpu_p_",
        ),
        (
            lambda g: random.exponential(g, 0, (2,), F32),
            RuntimeError,
            "lambda > 0.0, but found lambda=0",
        ),
        (lambda g: random.exponential(g, 1, (2,), I64), RuntimeError, "must be a floating point"),
        (
            lambda g: random.geometric(g, 1.0, (2,), F32),
            RuntimeError,
            r"p to be in \(0, 1\), but got p=1",
        ),
        (
            lambda g: random.dropout_mask(g, 2, (2,), F32),
            RuntimeError,
            "between 0 and 1, but got 2",
        ),
        (lambda g: random.multinomial(g, np.float32([1, -1]), 1), RuntimeError, "element < 0"),
        (
            lambda g: random.multinomial(g, np.float32([1, -1]), 2, True),
            RuntimeError,
            "probability entry < 0",
        ),
        (
            lambda g: random.multinomial(g, np.float32([0, 0]), 2, True),
            RuntimeError,
            "sum of probabilities <= 0",
        ),
        (lambda g: random.multinomial(g, np.float32([1, 1]), 3), RuntimeError, "n_sample=3"),
        (
            lambda g: random.multinomial(g, np.int64([1, 1]), 1),
            RuntimeError,
            "floating-point dtypes",
        ),
        (lambda g: random.multinomial(g, np.ones((2, 2, 2)), 1), RuntimeError, "1 or 2 dim"),
    ],
)
def test_refusals_name_what_came_and_take_no_words(call, error: type[Exception], text: str) -> None:
    generator = seeded(2)
    before = generator._get_bytes()
    with pytest.raises(error, match=text):
        call(generator)
    np.testing.assert_array_equal(generator._get_bytes(), before)


def test_the_first_few_are_those_of_a_stable_sort() -> None:
    x = np.random.default_rng(0).standard_normal((40, 300))
    odd = x.copy()
    odd[:, 4:] = np.nan
    for given in (x, x.astype(np.float32), x.round(1), odd, x[0], x.astype(np.float16)):
        for k in (1, 2, 70, 90, 300):
            want = np.argsort(given, axis=-1, kind="stable")[..., :k]
            np.testing.assert_array_equal(random._first_few(given, k), want)


def test_numpy_random_is_imported_by_the_first_draw_only() -> None:
    code = (
        "import sys; from flambeau.runtime import random; assert 'numpy.random' not in sys.modules\n"
        "random.manual_seed(3); assert random.initial_seed() == 3; assert 'numpy.random' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_states_are_byte_tensors() -> None:
    generator = flambeau.Generator().manual_seed(4)
    state = generator.get_state()
    assert (state.dtype, state.shape) == (flambeau.uint8, (5056,))
    first = flambeau.rand(5, generator=generator)
    generator.set_state(state)
    assert flambeau.equal(first, flambeau.rand(5, generator=generator))
    for bad, text in ((3, "but got int"), (flambeau.ones(5056), "ByteTensor")):
        with pytest.raises(TypeError, match=text):
            generator.set_state(bad)


def test_generators_know_their_device() -> None:
    assert str(flambeau.Generator().device) == "cpu"
    assert str(flambeau.Generator("cuda:1").device) == "cuda:1"
    with pytest.raises(RuntimeError, match="meta holds no numbers"):
        flambeau.Generator("meta")
    with pytest.raises(RuntimeError, match="device type at start of device string: foo"):
        flambeau.Generator("foo")
