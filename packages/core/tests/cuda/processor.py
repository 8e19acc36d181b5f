"""A processor in a GPU's place: arrays of a class of their own on "cuda:0", and what compiled programs ask of a GPU.

Operators run on NumPy. Generated kernels are the texts that a GPU would get, compiled as C++ (`emulation`). A recording does not
compute: what it makes is poisoned, and comes into being when it is launched, in the memory that it had while it was recorded.
"""

from __future__ import annotations

import os
import types
from contextlib import contextmanager, nullcontext

import emulation
import numpy as np

from flambeau._base.devices import device
from flambeau.backends import factorizing
from flambeau.backends.cuda import ufuncs
from flambeau.jit.purity import OF_ARRAYS
from flambeau.runtime import backend as protocol

CUDA = device("cuda", 0)
OF_ARRAYS |= {
    os.path.realpath(file) for file in (__file__, emulation.__file__)
}  # CuPy's, so to speak


class Array(np.ndarray):
    """An array on the device. Results of NumPy's functions of it are of the same class; numbers of it are waited for."""

    machine = None


def _waiting(name):
    def method(self, *args):
        waits(self.machine)
        return getattr(np.asarray(self).view(np.ndarray), name)(*args)

    setattr(Array, name, method)


for _name in ("__int__", "__float__", "__bool__", "__index__", "__complex__", "item", "tolist"):
    _waiting(_name)


def on_device(made):
    """What a function of NumPy made, as CuPy would give it: arrays of the device, also for single numbers."""
    if isinstance(made, (np.ndarray, np.generic)):
        return np.asarray(made).view(Array)
    if isinstance(made, (tuple, list)):
        return (
            tuple(map(on_device, made)) if isinstance(made, tuple) else list(map(on_device, made))
        )
    return made


class Functions:
    """A module's functions, for arrays of the device."""

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        found = getattr(self._module, name)
        if isinstance(found, types.ModuleType):
            made = Functions(found)
        elif found is np.ndarray:
            made = Array
        elif isinstance(found, type) or not callable(found) or isinstance(found, np.ufunc):
            made = found
        else:
            made = _function(found)
        setattr(self, name, made)
        return made


class Namespace(Functions):
    """What a GPU's namespace is, made of NumPy's backend."""

    at_hand = False

    def __init__(self, xp):
        super().__init__(xp)
        self.add, self.multiply = ufuncs.Add(self), ufuncs.Multiply(self)
        self.maximum, self.minimum = (ufuncs.Extreme(self, n) for n in ("maximum", "minimum"))
        self.logaddexp, self.logical_or = (
            ufuncs.Ufunc(self, n) for n in ("logaddexp", "logical_or")
        )
        self.lapack = factorizing.On(self)


def _function(function):
    return lambda *args, **kwargs: on_device(function(*args, **kwargs))


def poison(array):
    """Fills an array with what nobody wants; whole numbers may be indices, and NumPy takes none that is out of range."""
    array.view(np.ndarray)[...] = 77 if array.dtype.kind in "fc" else 0
    return array


class Machine:
    """What `backends.cuda.machine` is, with a log of what was asked of it."""

    kind = Array

    def __init__(self):
        self.log = []
        self.uploaded = 0  # arrays that came from the CPU
        self.recording = None
        self.Recording = lambda pool: Recording(self, pool)

    def kernel(self, text, name):
        made = emulation.Compiled(text, name)

        def launch(grid, block, args):
            self.log.append(("kernel", name))
            made(grid, block, args)

        return launch

    def empty(self, shape, dtype):
        made = np.empty(shape, dtype).view(Array)
        return poison(made)

    def place_for(self, array):
        return poison(np.empty_like(array))

    def copied(self, array):
        return array.copy(order="K")

    def owner(self, array):
        while isinstance(array.base, np.ndarray):
            array = array.base
        return array.__array_interface__["data"][0]

    def address(self, array):
        return array.ctypes.data

    def upload(self, numbers):
        self.uploaded += 1
        return np.array(numbers).view(Array)

    def uploads(self):
        return self.uploaded

    def on(self, array):
        return nullcontext()

    def pool(self):
        return object()

    @contextmanager
    def within(self, pool):
        yield

    class Order:
        def __enter__(self):
            pass

        def __exit__(self, *error):
            pass


class Recording:
    """Steps with the arrays that they read and made."""

    def __init__(self, machine, pool):
        self.machine, self.steps = machine, []

    def __enter__(self):
        assert self.machine.recording is None, "one recording at a time"
        self.machine.recording = self
        self.machine.log.append("record")
        return self

    def __exit__(self, *error):
        self.machine.recording = None

    def do(self, run, env, makes=True):
        before = list(env)
        if makes:
            with np.errstate(all="ignore"):
                run(env)
        made = {i: a for i, a in enumerate(env) if a is not before[i]}
        known = {self.machine.owner(a) for a in before if a is not None}
        for a in made.values():
            assert type(a) is Array, type(a)
            if self.machine.owner(a) not in known:
                poison(a)
        self.steps.append((run, before, made))

    def launch(self):
        self.machine.log.append("launch")
        for run, before, made in self.steps:
            table = list(before)
            with np.errstate(all="ignore"):
                run(table)
            for i, a in made.items():
                assert table[i].shape == a.shape
                if self.machine.owner(table[i]) != self.machine.owner(a):
                    a[...] = table[i]


def waits(machine):
    """What asks a GPU for a number: refused while recording."""
    if machine.recording is not None:
        raise RuntimeError("operation not permitted when stream is capturing")


@contextmanager
def in_place_of_cuda():
    """`device="cuda"` is the processor until the block ends. Gives the machine."""
    cpu = protocol.of_device("cpu")
    machine = Array.machine = Machine()

    def asarray(array, device):
        if isinstance(array, Array):
            return array
        machine.uploaded += 1
        waits(machine)
        return np.array(protocol.of_array(array).to_numpy(array)).view(Array)

    def to_numpy(array):
        waits(machine)
        return np.array(array.view(np.ndarray))

    backend = types.SimpleNamespace(
        name="cuda", kernels=None, xp=Namespace(cpu.xp), providers=[], machine=machine,
        device_of=lambda array: CUDA, asarray=asarray, to_numpy=to_numpy,
        shares=lambda made, source: np.may_share_memory(made, source), offers=lambda op: [],
    )  # fmt: skip
    plain = cpu.asarray
    # NumPy's backend takes any array for its own.
    cpu.asarray = lambda array, device: (
        to_numpy(array) if type(array) is Array else plain(array, device)
    )
    before = dict(protocol._by_device)
    protocol._by_device["cuda"] = backend
    protocol.register_class(Array, backend)
    try:
        yield machine
    finally:
        del cpu.asarray
        protocol._by_device.clear()
        protocol._by_device.update(before)
        del protocol._by_class[Array]
