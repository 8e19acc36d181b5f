"""The import machinery that answers `torch`: a finder in front of all others, and the distribution's metadata."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import types
from collections.abc import Iterable, Sequence
from opcode import opmap
from typing import Any

from .._base import dtypes
from .missing import Missing

# What version checks read. The local part tells whoever looks that this is not PyTorch itself.
VERSION = "2.13.0+flambeau"

# Modules of PyTorch's whose counterpart has another name here.
RENAMED = {
    "torch.optim.lr_scheduler": "flambeau.optim.lr_scheduler",
    "torch.utils.data.dataloader": "flambeau.utils.data",
    "torch.utils.data.dataset": "flambeau.utils.data",
    "torch.utils.data.sampler": "flambeau.utils.data",
    "torch.nn.modules.module": "flambeau.nn.modules.module",
    "torch.nn.parameter": "flambeau.nn",
    "torch.autograd.function": "flambeau.autograd.function",
    "torch.autograd.gradcheck": "flambeau.autograd.checks",
    "torch.autograd.variable": "flambeau.autograd.variables",
    "torch.autograd.grad_mode": "flambeau.autograd.modes",
    "torch.autograd.anomaly_mode": "flambeau.autograd.modes",
    "torch.serialization": "flambeau.serialization",
    "torch.storage": "flambeau.storage",
    "torch.types": "flambeau.compat.types",
    "torch.version": "flambeau.compat.version",
    "torch._C": "flambeau.compat.core",
    "torch.jit": "flambeau.compat.jit",
    "torch.compiler": "flambeau.compat.compiler",
    "torch._dynamo": "flambeau.compat.compiler",
    "torch.backends": "flambeau.compat.backends",
}


# Code that mentions a name: `torch.name`, `from torch import name`. Others (hasattr, getattr) ask whether it is there.
_MENTIONS = {opmap[n] for n in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM") if n in opmap}


def _is_asked_for() -> bool:
    """Whether a module's missing name is looked up by a question, such as hasattr(torch, name), and not by a mention."""
    frame = sys._getframe(2)
    if "importlib" in frame.f_code.co_filename:  # a from-import asks through the import system
        return False
    return frame.f_code.co_code[frame.f_lasti] not in _MENTIONS


class Facade(types.ModuleType):
    """A module under PyTorch's name: flambeau's names, and Missing for those it lacks."""

    def __init__(self, name: str, inner: types.ModuleType | None) -> None:
        super().__init__(name, inner.__doc__ if inner is not None else None)
        self.__dict__["_inner"] = inner
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__["_inner"]
        if inner is not None and not (
            name.startswith("__") and name not in ("__all__", "__version__")
        ):
            try:
                found = getattr(inner, name)
            except AttributeError:
                found = None
            else:
                if not isinstance(found, types.ModuleType) or not found.__name__.startswith(
                    "flambeau."
                ):
                    return found
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        full = f"{self.__name__}.{name}"
        if _inner_module(full) is not None:
            return importlib.import_module(full)
        if _is_asked_for():
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return Missing(full)

    def __dir__(self) -> list[str]:
        inner = self.__dict__["_inner"]
        return dir(inner) if inner is not None else []


def _inner_module(name: str) -> types.ModuleType | None:
    """flambeau's module for a name of PyTorch's; None where there is none."""
    ours = RENAMED.get(name) or "flambeau" + name[len("torch") :]
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if error.name is not None and (ours == error.name or ours.startswith(error.name + ".")):
            return None
        raise


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch` and everything below it; what flambeau lacks becomes an empty module whose names are Missing."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "torch" or name.startswith("torch."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = Facade(spec.name, _inner_module(spec.name))
        if spec.name == "torch":
            module.__dict__["__version__"] = VERSION
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        """`importlib.metadata.version("torch")` has an answer."""
        if context is None or context.name in (None, "torch"):
            yield _Distribution()


class _Distribution(importlib.metadata.Distribution):
    def read_text(self, filename: str) -> str | None:
        if filename in ("METADATA", "PKG-INFO"):
            return f"Metadata-Version: 2.1\nName: torch\nVersion: {VERSION}\nSummary: answered by flambeau.compat\n"
        return None

    def locate_file(self, path: Any) -> Any:
        return path


_finder = Finder()


def install() -> None:
    """From now on `import torch` gives flambeau. RuntimeError if PyTorch itself has been imported already.

    >>> import flambeau.compat
    >>> flambeau.compat.install()
    >>> import torch
    >>> torch.ones(2).sum()
    tensor(2.)
    >>> flambeau.compat.uninstall()
    """
    if installed():
        return
    if "torch" in sys.modules:
        raise RuntimeError(
            "flambeau.compat.install(): PyTorch has already been imported in this process; call install() before the "
            "first `import torch`, or run the script with `python -m flambeau.compat`"
        )
    sys.meta_path.insert(0, _finder)
    dtypes.dtype.prefix = "torch."


def installed() -> bool:
    """Whether `import torch` gives flambeau."""
    return _finder in sys.meta_path


def uninstall() -> None:
    """Undoes `install`: modules that were imported as torch are forgotten."""
    if installed():
        sys.meta_path.remove(_finder)
        for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
            del sys.modules[name]
        dtypes.dtype.prefix = "flambeau."


def absent(names: Sequence[str]) -> list[str]:
    """Which of PyTorch's names (such as "torch.nn.Linear") flambeau lacks.

    >>> absent(["torch.nn.Linear", "torch.nn.NoSuchLayer"])
    ['torch.nn.NoSuchLayer']
    """
    out = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        inner = _inner_module(module)
        if inner is None or not hasattr(inner, attribute):
            out.append(name)
    return out
