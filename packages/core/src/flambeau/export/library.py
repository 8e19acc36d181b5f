"""`export.library`: a model as a shared library, and `load_library`, which calls one from Python without tracing."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import shlex
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._base import pytree
from .._base.errors import MissingRule
from ..autograd.modes import no_grad
from ..backends.cpu import compiler
from ..graph import Graph
from ..ops.creation import from_numpy
from ..runtime.tensor import Tensor
from .c99 import keep
from .capture import capture, evaluating, example_args
from .files import header, identifier, lay_out, open_folder, program
from .lower import Lowering, Target
from .memory import ALIGN, Buffer

FORMAT = 1
SECONDS = 300.0  # for the compiler
FLAGS = ("-std=c99", "-O3", "-fPIC", "-shared", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")  # fmt: skip


def library(
    model: Callable[..., Any],
    example: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    name: str = "model",
    batch_sizes: Sequence[int] | None = None,
    portable: bool = False,
    cc: str | None = None,
) -> Library:
    """Compiles a module or function into a shared library, and returns it loaded.

    `example` is an input or a tuple of inputs; the library takes exactly these shapes and dtypes. With `batch_sizes` the first
    dimension of every input and output is a batch of independent rows: a program for each of these sizes goes into the
    library, and a call may have any number of rows that these sizes add up to.

    `out` is a folder (default: a temporary one, removed when Python ends), which gets the library, `model.h` (and one for
    each further batch size), `model.weights` and `model.json`; `load_library(out)` loads it, also in another process. It is
    compiled for this processor, unless `portable`, by `cc` (default: $CC, cc, gcc or clang).

    >>> import flambeau
    >>> model = flambeau.nn.Sequential(flambeau.nn.Linear(4, 3), flambeau.nn.ReLU())
    >>> fast = flambeau.export.library(model, flambeau.zeros(1, 4), batch_sizes=(1, 8))
    >>> fast(flambeau.zeros(10, 4)).shape
    flambeau.Size([10, 3])
    """
    caller = "export.library"
    identifier(name, caller)
    args = example_args(example)
    sizes = _sizes(caller, args, batch_sizes)
    target = Target(rows=4 if portable or not _wide_registers() else 8)
    weights: dict[Any, Buffer] = {}
    lows: list[Lowering] = []
    structure: Any = None
    wanted: list[int | None] = [*sizes] or [None]
    for size in wanted:
        given = args if size is None else _resized(args, size)
        graph, structure = capture(caller, model, given, keep)
        if size is not None:
            _check_batch(caller, graph, size)
        low = Lowering(caller, graph, target, weights=weights)
        low.weights_loaded = True
        lows.append(low)
    if sizes:
        _check_rows(caller, model, args)
    total = lay_out(list(weights.values()))
    folder = _temporary() if out is None else Path(out)
    names = [name if i == 0 else f"{name}_{size}" for i, size in enumerate(wanted)]
    open_folder(caller, folder, (f"{one}.{kind}" for one in names for kind in "hc"))
    prelude = _fast_functions() if not portable else None
    for low, one in zip(lows, names):
        (folder / f"{one}.h").write_text(header(low, one, loaded=True))
        (folder / f"{one}.c").write_text(program(low, one, loaded=True, prelude=prelude))
    _write_weights(folder / f"{name}.weights", list(weights.values()), total)
    described = {
        "format": FORMAT,
        "name": name,
        "inputs": [[v.meta.dtype.name, list(v.meta.shape)] for v in lows[0].graph.inputs],
        "outputs": [[v.meta.dtype.name, list(v.meta.shape)] for v in lows[0].graph.outputs],
        "programs": [
            {"name": n, "batch": size, "arena": max(low.arena, 1)}
            for n, size, low in zip(names, wanted, lows)
        ],
        "weights": total,
        "results": _structure_text(structure, len(lows[0].graph.outputs)),
    }
    (folder / f"{name}.json").write_text(json.dumps(described, indent=1))
    _compile(caller, folder, name, names, portable, cc)
    return load_library(folder, name=name)


def _temporary() -> Path:
    made = tempfile.mkdtemp(prefix="flambeau-library-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _sizes(caller: str, args: tuple, given: Sequence[int] | None) -> list[int]:
    if given is None:
        return []
    sizes = [given] if isinstance(given, int) else list(given)
    if not sizes or any(type(n) is not int or n < 1 for n in sizes):
        raise ValueError(f"{caller}: batch_sizes must be positive ints, but got {given!r}")
    leaves = [x for x in pytree.flatten(args)[0] if isinstance(x, Tensor)]
    if any(not x.ndim for x in leaves) or len({x.shape[0] for x in leaves}) > 1:
        shapes = ", ".join(str(list(x.shape)) for x in leaves)
        raise ValueError(
            f"{caller}: with batch_sizes all inputs must have one first size, the batch, but their shapes are {shapes}"
        )
    return sorted(set(sizes), reverse=True)


def _resized(args: tuple, size: int) -> tuple:
    """The example with as many rows: its own, over and over."""

    def rows(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        array = x.detach().cpu().numpy()
        return from_numpy(np.ascontiguousarray(np.resize(array, (size, *array.shape[1:]))))

    return pytree.map_(rows, args)


def _check_batch(caller: str, graph: Graph, size: int) -> None:
    for i, v in enumerate(graph.outputs):
        if not v.meta.shape or v.meta.shape[0] != size:
            raise RuntimeError(
                f"{caller}: with batch_sizes every output must have the batch first, but output {i} is {v.meta} for "
                f"{size} rows"
            )


def _check_rows(caller: str, model: Callable[..., Any], args: tuple) -> None:
    """RuntimeError where a batch's answer is not the answers of its rows."""
    generator = np.random.default_rng(0)

    def mixed(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        array: np.ndarray = np.resize(x.detach().cpu().numpy(), (3, *x.shape[1:]))
        if array.dtype.kind == "f":
            array = array + np.asarray(generator.standard_normal(array.shape), array.dtype)
        return from_numpy(np.ascontiguousarray(array))

    whole = pytree.map_(mixed, args)
    with evaluating(model), no_grad():
        together = pytree.flatten(model(*whole))[0]
        alone = [
            pytree.flatten(model(*pytree.map_(lambda x, i=i: x[i : i + 1] if isinstance(x, Tensor) else x, whole)))[0]
            for i in range(3)
        ]  # fmt: skip
    for k, t in enumerate(together):
        rows = np.concatenate([a[k].numpy() for a in alone])
        if rows.shape != tuple(t.shape) or not np.allclose(
            t.numpy(), rows, rtol=1e-3, atol=1e-4, equal_nan=True
        ):
            raise RuntimeError(
                f"{caller}: batch_sizes needs rows that do not depend on each other, but output {k} of three rows differs "
                "from what the model gives for each alone; export fixed shapes without batch_sizes"
            )


def _wide_registers() -> bool:
    """Whether this processor has 32 vector registers (AVX-512, NEON)."""
    text = compiler.cpu()
    return "avx512f" in text or "aarch64" in text


def _fast_functions() -> str:
    """The scalar functions of compiled programs, which compilers vectorise; for libraries of this processor only."""
    from ..backends.cpu import headers

    folder = Path(next(iter(headers.__path__)))
    return (folder / "fb_math.h").read_text()


def _write_weights(path: Path, buffers: Sequence[Buffer], total: int) -> None:
    block = np.zeros(total, np.uint8)
    for b in buffers:
        block[b.offset : b.offset + b.bytes] = np.frombuffer(b.array.tobytes(), np.uint8)
    block.tofile(path)


def _structure_text(structure: Any, count: int) -> Any:
    """Results as nested lists and objects of output numbers; None if they are of a kind that JSON has not."""
    shape = pytree.unflatten(list(range(count)), structure)

    def plain(x: Any) -> Any:
        if isinstance(x, int):
            return x
        if type(x) in (tuple, list):
            return {type(x).__name__: [plain(y) for y in x]}
        if isinstance(x, tuple):  # named
            return {"tuple": [plain(y) for y in x]}
        if type(x) is dict and all(isinstance(k, str) for k in x):
            return {"dict": {k: plain(y) for k, y in x.items()}}
        raise MissingRule(
            f"export.library: the model returns a {type(x).__name__}; return tensors, tuples, lists or dicts with names"
        )

    return plain(shape)


def _compile(caller: str, folder: Path, name: str, names: Sequence[str], portable: bool, cc: str | None) -> None:  # fmt: skip
    try:
        found = compiler.find() if cc is None else compiler._ask(shlex.split(cc))
        flags = list(FLAGS) if portable else [*FLAGS, "-march=native", "-std=gnu11"]
        sources = [str(folder / f"{n}.c") for n in names]
        made = folder / f"lib{name}.so"
        beside = folder / f".lib{name}.so.{os.getpid()}"
        line = [*found.command, *flags, "-o", str(beside), *sources, "-lm"]
        compiler._run(line, SECONDS)
        # In the old one's place, not into it: this process may be running that.
        os.replace(beside, made)
    except compiler.CompileError as error:
        raise RuntimeError(
            f"{caller}: no library was made: {error}; install a C compiler (cc, gcc or clang) or name one by cc=, or use "
            "flambeau.compile, which runs without"
        ) from None


# -- loading -----------------------------------------------------------------------------------------------------------


def _opened(file: Path) -> ctypes.CDLL:
    """The library that is in `file` now.

    The system's loader knows libraries by their paths, and for one that it has seen gives what was there then. So it gets
    a path of its own at every opening.
    """
    with tempfile.TemporaryDirectory(prefix="flambeau-library-") as folder:
        link = Path(folder) / file.name
        link.symlink_to(file.resolve())
        return ctypes.CDLL(str(link))


class Library:
    """A compiled model: call it with tensors or arrays. Calls from several threads may run at once.

    `inputs` and `outputs` are (dtype, shape) pairs, `batch_sizes` the sizes compiled for, None if shapes are fixed, and `path`
    its folder. Tensors give tensors, NumPy arrays give arrays.
    """

    def __init__(self, folder: Path, described: dict[str, Any]) -> None:
        self.path = folder
        self._name = name = described["name"]
        self.inputs = [(d, tuple(s)) for d, s in described["inputs"]]
        self.outputs = [(d, tuple(s)) for d, s in described["outputs"]]
        self._results = described["results"]
        self._programs = described["programs"]
        batches = [p["batch"] for p in self._programs]
        self.batch_sizes = None if batches[0] is None else tuple(sorted(batches))
        file = folder / f"lib{name}.so"
        try:
            self._library = _opened(file)
        except OSError as error:
            raise RuntimeError(
                f"export.load_library: {str(file)!r} does not load: {error}"
            ) from None
        self._runs = []
        for p in self._programs:
            run = getattr(self._library, f"{p['name']}_run")
            run.argtypes = [ctypes.c_void_p] * (2 + len(self.inputs) + len(self.outputs))
            run.restype = ctypes.c_int
            self._runs.append((p["batch"], run))
        weights = np.fromfile(folder / f"{name}.weights", np.uint8)
        if weights.size != described["weights"]:
            raise RuntimeError(
                f"export.load_library: {name}.weights has {weights.size} bytes, expected {described['weights']}"
            )
        self._weights = _aligned(weights.size)
        self._weights[:] = weights
        self._arena_bytes = max(p["arena"] for p in self._programs)
        self._local = threading.local()

    def __repr__(self) -> str:
        shown = [", ".join(f"{d}{['n', *s[1:]] if self.batch_sizes else list(s)}".replace("'", "") for d, s in each)
                 for each in (self.inputs, self.outputs)]  # fmt: skip
        return f"<library {self._name}: ({shown[0]}) -> {shown[1]}>"

    def __call__(self, *inputs: Any) -> Any:
        """The model's results. TypeError or ValueError for inputs of other numbers, dtypes or shapes."""
        if len(inputs) != len(self.inputs):
            raise TypeError(
                f"{self._name}: expected {len(self.inputs)} inputs, but got {len(inputs)}"
            )
        arrays = [self._array(i, x) for i, x in enumerate(inputs)]
        rows = self._rows(arrays)
        outs = [
            np.empty(s if rows is None else (rows, *s[1:]), np.dtype(d)) for d, s in self.outputs
        ]
        if self._run(arrays, outs, rows):
            raise IndexError(f"{self._name}: an index in the inputs is out of range")
        tensors = any(isinstance(x, Tensor) for x in inputs)
        return self._put(self._results, [from_numpy(o) if tensors else o for o in outs])

    def _array(self, i: int, x: Any) -> np.ndarray:
        dtype, shape = self.inputs[i]
        if isinstance(x, Tensor):
            if x.device.type != "cpu":
                raise ValueError(
                    f"{self._name}: input {i} is on {x.device}; the library takes tensors on the CPU"
                )
            x = x.detach().numpy()
        if not isinstance(x, np.ndarray):
            raise TypeError(
                f"{self._name}: input {i} must be a Tensor or a NumPy array, not {type(x).__name__}"
            )
        if x.dtype.name != dtype:
            raise TypeError(f"{self._name}: input {i} must be {dtype}, but got {x.dtype.name}")
        wanted = shape if self.batch_sizes is None else ("n", *shape[1:])
        if x.ndim != len(shape) or any(a != b for a, b in zip(x.shape, wanted) if b != "n"):
            listed = ", ".join(map(str, wanted))
            raise ValueError(
                f"{self._name}: input {i} must have shape [{listed}], but got {list(x.shape)}"
            )
        return np.ascontiguousarray(x)

    def _rows(self, arrays: list[np.ndarray]) -> int | None:
        if self.batch_sizes is None:
            return None
        counts = {len(a) for a in arrays}
        if len(counts) != 1:
            raise ValueError(
                f"{self._name}: inputs have different numbers of rows: {sorted(counts)}"
            )
        (rows,) = counts
        left = rows
        for batch, _ in self._runs:
            left %= batch
        if left:
            raise ValueError(
                f"{self._name}: {rows} rows cannot be made of the compiled batch sizes {list(self.batch_sizes)}; export "
                "with 1 among batch_sizes"
            )
        return rows

    def _run(self, arrays: list[np.ndarray], outs: list[np.ndarray], rows: int | None) -> int:
        arena = getattr(self._local, "arena", None)
        if arena is None:
            arena = self._local.arena = _aligned(self._arena_bytes)
        fixed = (arena.ctypes.data, self._weights.ctypes.data)
        places = [a.ctypes.data for a in (*arrays, *outs)]
        if rows is None:
            return self._runs[0][1](*fixed, *places)
        steps = [a.strides[0] if len(a) else 0 for a in (*arrays, *outs)]
        at = bad = 0
        for batch, run in self._runs:
            while rows - at >= batch:
                bad |= run(*fixed, *[p + at * s for p, s in zip(places, steps)])
                at += batch
        return bad

    def _put(self, shape: Any, outs: list[Any]) -> Any:
        if isinstance(shape, int):
            return outs[shape]
        ((kind, parts),) = shape.items()
        if kind == "dict":
            return {k: self._put(p, outs) for k, p in parts.items()}
        return (tuple if kind == "tuple" else list)(self._put(p, outs) for p in parts)


def _aligned(size: int) -> np.ndarray:
    """Bytes at an address that suits every vector."""
    room = np.zeros(size + ALIGN, np.uint8)
    at = -room.ctypes.data % ALIGN
    return room[at : at + size]


def load_library(path: str | os.PathLike[str], *, name: str | None = None) -> Library:
    """The library in the folder `path` that `library` wrote, as a callable; RuntimeError for what is none.

    The library is code and runs in this process: load only those that you made or trust.
    """
    folder = Path(path).absolute()
    found = sorted(folder.glob("*.json")) if name is None else [folder / f"{name}.json"]
    if len(found) != 1 or not found[0].exists():
        raise FileNotFoundError(
            f"export.load_library: expected one library in {str(path)!r}, found {[f.name for f in found if f.exists()]}"
        )
    try:
        described = json.loads(found[0].read_text())
        if described["format"] != FORMAT:
            raise RuntimeError(
                f"export.load_library: format {described['format']}, expected {FORMAT}; export it again"
            )
        return Library(folder, described)
    except (KeyError, TypeError, json.JSONDecodeError):
        raise RuntimeError(
            f"export.load_library: {found[0].name} does not describe a library"
        ) from None
