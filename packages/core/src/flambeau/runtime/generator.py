"""`flambeau.Generator`: the Mersenne Twister behind every random number, with PyTorch's CPU state layout.

It must give, for a seed, the very words that PyTorch's CPU generator gives, and read and write that generator's 5056
state bytes, so that a run saved by one goes on in the other. The twister itself is NumPy's, which makes a million
words in 4 ms; `numpy.random` costs 20 ms to import and is therefore imported at the first draw.

It refuses state bytes that are not those of a seeded twister, instead of drawing nonsense from them.
"""

from __future__ import annotations

import os
from _thread import RLock
from operator import index as as_index
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.devices import device as Device
from . import state as threads

if TYPE_CHECKING:
    from .tensor import Tensor

WORDS = 624
NEW_GENERATOR_SEED = 67280421310721
_UINT32_MAX = 2**32 - 1
_UINT64_MAX = 2**64 - 1

# The C structs of PyTorch, padding included. `left` counts the words until the next twist (1 in a fresh state),
# `next` is the position of the next word; the words themselves are kept one to 64 bits for historical reasons.
_STATE = np.dtype(
    {
        "names": [
            "seed",
            "left",
            "seeded",
            "next",
            "words",
            "normal",
            "has_normal",
            "normal32",
            "has_normal32",
        ],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", WORDS), "<f8", "<i4", "<f4", "?"],
        "offsets": [0, 8, 12, 16, 24, 24 + 8 * WORDS + 8, 24 + 8 * WORDS + 24, 5048, 5052],
        "itemsize": 5056,
    }
)


class Generator:
    """A source of random numbers that equals PyTorch's CPU generator, seed for seed and bit for bit.

    Differs from PyTorch in one thing: a generator for `cuda` draws the same numbers as one for `cpu`, because equal
    seeds must give equal streams on every device.

    >>> import flambeau
    >>> generator = flambeau.Generator().manual_seed(0)
    >>> generator.initial_seed()
    0
    """

    def __init__(self, device: str | Device = "cpu") -> None:
        self._device = Device(device)
        if self.device.type == "meta":
            raise RuntimeError("Generator: device type meta holds no numbers; expected cpu or cuda")
        self._lock = RLock()
        self._seed: int | None = NEW_GENERATOR_SEED
        self._twister: Any = None  # numpy.random.Generator, made at the first draw
        self._at: tuple = (None, None)  # a twister and where a backend found its state
        self._fresh = True  # seeded and nothing drawn yet: PyTorch writes this state in its own way
        self._normal: float | None = None  # second half of the last Box-Muller pair
        self._normal32: float | None = (
            None  # only carried along: PyTorch's CPU functions never fill it
        )

    @property
    def device(self) -> Device:
        """The device that the generator is for."""
        return self._device

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of `seed`, an int in [-2**63, 2**64); returns the generator itself.

        >>> import flambeau
        >>> flambeau.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
        True
        """
        try:
            seed = as_index(seed)
        except TypeError:
            raise RuntimeError(
                f"manual_seed expected a long, but got {type(seed).__name__}"
            ) from None
        seed = checked_seed(seed)
        threads.effect(lambda: self._restart(seed), self, [], "manual_seed")
        return self

    def seed(self) -> int:
        """Starts a stream from a seed taken from the operating system, and returns that seed (53 bits)."""
        threads.reads_state("a new random seed")
        seed = int.from_bytes(os.urandom(7), "little") & (2**53 - 1)
        self._restart(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self.seed() if self._seed is None else self._seed

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 5056 elements, byte for byte PyTorch's."""
        from .tensor import wrap

        return wrap(self._get_bytes())

    def set_state(self, new_state: Tensor) -> None:
        """Goes on from a state that `get_state` (or PyTorch's) gave.

        TypeError for anything but a uint8 tensor, RuntimeError for one of another size or with other contents.
        """
        from .backend import of_array
        from .tensor import Tensor

        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a flambeau.ByteTensor, but got {type(new_state).__name__}")
        self._set_bytes(of_array(new_state._array).to_numpy(new_state._array))

    def clone_state(self) -> Generator:
        """A new generator that goes on from the same state."""
        twin = Generator(self.device)
        twin._set_bytes(self._get_bytes())
        return twin

    def graphsafe_get_state(self) -> Generator:
        """NotImplementedError, as PyTorch's CPU generator: only GPUs record draws in graphs."""
        raise NotImplementedError("graphsafe_get_state is not supported in this Generator")

    def graphsafe_set_state(self, new_state: Generator) -> None:
        """NotImplementedError, as PyTorch's CPU generator: only GPUs record draws in graphs."""
        raise NotImplementedError("graphsafe_set_state is not supported in this Generator")

    def get_offset(self) -> int:
        """RuntimeError: the Mersenne Twister has no offset to count from."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> None:
        """RuntimeError: the Mersenne Twister has no offset to count from."""
        raise RuntimeError("CPU Generator does not use offset")

    def _restart(self, seed: int) -> None:
        with self._lock:
            self._seed, self._fresh = seed, True
            self._twister = self._normal = self._normal32 = None

    def _words(self) -> Any:
        """NumPy's twister in our state. Hold the lock."""
        if self._twister is None:
            first = _first_words(
                self.initial_seed()
            )  # may choose a seed, which starts the stream anew
            self._twister = _new_twister()
            self._twister.bit_generator.state = _as_numpy(first, WORDS)
        return self._twister

    def _uint32(self, count: int) -> np.ndarray:
        """The next `count` words. Hold the lock."""
        words = self._words().integers(0, _UINT32_MAX, count, np.uint32, True)
        self._fresh = self._fresh and count == 0
        return words

    def _uint64(self, count: int) -> np.ndarray:
        """The next `count` pairs of words, the first of a pair in the high half. Hold the lock."""
        words = self._words().integers(0, _UINT64_MAX, count, np.uint64, True)
        self._fresh = self._fresh and count == 0
        return words

    def _get_bytes(self) -> np.ndarray:
        threads.reads_state("reading the state of a random generator")
        state = np.zeros((), _STATE)
        with self._lock:
            inner = self._words().bit_generator.state["state"]
            position = 0 if self._fresh else inner["pos"]
            state["seed"], state["seeded"], state["words"] = self._seed, 1, inner["key"]
            state["next"], state["left"] = position, 1 if self._fresh else WORDS + 1 - position
            if self._normal is not None:
                state["normal"], state["has_normal"] = self._normal, 1
            if self._normal32 is not None:
                state["normal32"], state["has_normal32"] = self._normal32, True
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def _set_bytes(self, raw: np.ndarray) -> None:
        if raw.dtype != np.uint8:
            raise TypeError(f"RNG state must be a flambeau.ByteTensor, but got {raw.dtype}")
        if raw.size != _STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} "
                f"but found the input RNG state size to be {raw.size}"
            )
        threads.reads_state("setting the state of a random generator")
        state = np.frombuffer(raw.tobytes(), _STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        fresh = (left, position) == (1, 0)
        if not state["seeded"] or not (
            fresh or (1 <= position <= WORDS and left + position == WORDS + 1)
        ):
            raise RuntimeError("Invalid mt19937 state")
        with self._lock:
            self._twister = self._twister or _new_twister()
            words = state["words"].astype(np.uint32)
            self._twister.bit_generator.state = _as_numpy(words, WORDS if fresh else position)
            self._seed, self._fresh = int(state["seed"]), fresh
            self._normal = float(state["normal"]) if state["has_normal"] else None
            self._normal32 = float(state["normal32"]) if state["has_normal32"] else None

    def __reduce__(self) -> tuple:
        return (Generator, (self.device,), (self.initial_seed(), None, self.get_state()))

    def __setstate__(self, state: tuple) -> None:
        """Takes on (seed, offset, state bytes); the Mersenne Twister has no offset."""
        self.set_state(state[2])

    def __deepcopy__(self, memo: dict) -> Generator:
        return self.clone_state()


def checked_seed(seed: int) -> int:
    """`seed` as 64 unsigned bits; ValueError for one that does not fit.

    >>> checked_seed(7)
    7
    """
    if not -(2**63) <= seed <= _UINT64_MAX:
        raise ValueError(f"manual_seed: expected a seed in [-2**63, 2**64), but got {seed}")
    return seed & _UINT64_MAX


def _new_twister() -> Any:
    from numpy.random import MT19937
    from numpy.random import Generator as NumpyGenerator

    return NumpyGenerator(MT19937(0))


def _first_words(seed: int) -> np.ndarray:
    """The state array that Matsumoto and Nishimura's `init_genrand` fills; only 32 bits of the seed take part."""
    from numpy.random import RandomState

    return RandomState(seed & _UINT32_MAX).get_state(legacy=False)["state"]["key"]


def _as_numpy(words: np.ndarray, position: int) -> dict[str, Any]:
    return {"bit_generator": "MT19937", "state": {"key": words, "pos": position}}
