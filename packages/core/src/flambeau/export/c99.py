"""`export.c99`: a model as a folder of plain C."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import (  # noqa: F401  (they enter the emitters)
    convolutions,
    emitters,
    moving,
    ordering,
    products,
    recurrent,
    windows,
    writing,
)
from .capture import capture, example_args
from .files import identifier, write_folder
from .lower import EMITTERS, Lowering, Target


class Folder:
    """What `c99` wrote: `path`, `files`, and `arena` and `weights`, the bytes of scratch memory and of data."""

    def __init__(self, path: Path, files: dict[str, Path], low: Lowering, name: str) -> None:
        self.path, self.files, self.name = path, files, name
        self.arena = low.arena
        self.weights = sum(b.bytes for b in low.weights.values())
        self.inputs = [v.meta for v in low.graph.inputs]
        self.outputs = [v.meta for v in low.graph.outputs]

    def __repr__(self) -> str:
        return f"<C of {self.name} in {str(self.path)!r}: arena {self.arena:,} bytes, weights {self.weights:,} bytes>"

    def sizes(
        self, cc: str | Sequence[str] | None = None, size: str = "size", flags: Sequence[str] = ("-Os",)
    ) -> dict[str, int]:  # fmt: skip
        """Bytes as a linker counts them: "code", "weights" (both in flash) and "ram" (the arena).

        `cc` is a compiler (default: $CC or cc), `size` the matching program of binutils: name a cross compiler's for a
        microcontroller's figures.
        """
        command = [cc] if isinstance(cc, str) else list(cc or [os.environ.get("CC") or "cc"])
        for program in (command[0], size):
            if shutil.which(program) is None:
                raise RuntimeError(
                    f"Folder.sizes: {program} is not on PATH: install a C compiler and binutils, or name others by "
                    "cc= and size="
                )
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            for file in (f for f in self.files if f.endswith(".c") and f != "main.c"):
                made = f"{folder}/{file}.o"
                _checked([*command, "-std=c99", *flags, "-c", str(self.path / file), "-o", made])
                row = _checked([size, made]).splitlines()[1].split()
                found[file] = int(row[0]) + int(row[1])
        code = found.pop(f"{self.name}.c")
        return {"code": code, "weights": sum(found.values()), "ram": self.arena}


def _checked(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[:500]}")
    return done.stdout


def keep(op: Any) -> bool:
    """Which composites stay whole: those with an emitter."""
    return op.name in EMITTERS


def c99(
    model: Callable[..., Any],
    example: Any,
    out: str | os.PathLike[str],
    *,
    name: str = "model",
    quantize: str | None = None,
    calibration: Sequence[Any] | None = None,
) -> Folder:
    """Writes a module or function as plain C99 into the folder `out`, and returns its description.

    `example` is an input or a tuple of inputs; the C is of exactly these shapes and dtypes, in eval mode. The folder has
    `model.h`, `model.c`, `weights.c`, an example `main.c` and a `Makefile`. The C needs no library but libm and allocates
    nothing: the caller passes an arena whose size is in the header.

    With `quantize="int8"` weights and activations are int8 and sums int32. The ranges of activations are those seen on
    `calibration`, a sequence of examples (default: the one example; give some dozens of real ones).

    >>> import flambeau
    >>> model = flambeau.nn.Sequential(flambeau.nn.Linear(4, 3), flambeau.nn.ReLU())
    >>> made = flambeau.export.c99(model, flambeau.zeros(1, 4), "layer-c")
    >>> sorted(made.files)
    ['Makefile', 'main.c', 'model.c', 'model.h', 'weights.c']
    """
    caller = "export.c99"
    identifier(name, caller)
    if quantize not in (None, "int8"):
        raise ValueError(f'{caller}: quantize must be None or "int8", but got {quantize!r}')
    if calibration is not None and quantize is None:
        raise ValueError(f'{caller}: calibration is for quantize="int8"')
    args = example_args(example)
    graph, _ = capture(caller, model, args, keep)
    small = quantize is not None
    scales = None
    if quantize:
        from .quantized import calibrated

        examples = [example_args(e) for e in calibration] if calibration is not None else [args]
        scales = calibrated(caller, graph, args, examples)
    low = Lowering(caller, graph, Target(small=small), scales)
    files = write_folder(low, name, Path(out), small)
    return Folder(Path(out), files, low, name)
