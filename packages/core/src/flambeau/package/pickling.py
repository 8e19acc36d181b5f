"""Pickles inside packages: names are those of the package, storages are shared by all pickles of it."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from types import FunctionType
from typing import IO, Any

from ..serialization.names import torch_name
from ..serialization.pickling import Pickler
from ..serialization.unpickling import trusting_unpickler
from .modules import Importer


class PackagePickler(Pickler):
    """Writes classes and functions under the names by which an importer finds them."""

    dispatch = Pickler.dispatch.copy()

    def __init__(
        self,
        stream: IO[bytes],
        protocol: int,
        importer: Importer,
        reduce_package: Callable[[Any], Any],
        storages: tuple[list, dict],
    ) -> None:
        super().__init__(stream, protocol)
        self._importer, self._reduce_package = importer, reduce_package
        self.storages, self._keys = storages

    def persistent_id(self, obj: Any) -> Any:
        found = super().persistent_id(obj)
        if found is None and hasattr(type(obj), "__reduce_package__"):
            return self._reduce_package(obj)
        return found

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """By the importer, which knows the modules of packages too."""
        module, full = self._importer.get_name(obj, name)
        *outer, last = full.split(".")
        if outer:  # protocols before 4 have no name for what is inside a class
            parent: Any = self._importer.import_module(module)
            for part in outer:
                parent = getattr(parent, part)
            self.save_reduce(getattr, (parent, last), obj=obj)
            return
        self.write(b"c" + f"{module}\n{last}\n".encode())
        self.memoize(obj)


def _save_named(inherited: Any) -> Any:
    """PyTorch's classes and functions under PyTorch's names, all others as above."""

    def save(self: Any, obj: Any, *name: Any) -> None:
        known = None
        if not name and obj.__qualname__.isidentifier():
            known = torch_name(obj.__module__, obj.__qualname__)
        if known is not None:
            self.write(b"c" + "{}\n{}\n".format(*known).encode())
            self.memoize(obj)
        elif inherited is None:
            self.save_global(obj, *name)
        else:
            inherited(self, obj, *name)

    return save


_python_pickler: Any = pickle._Pickler
PackagePickler.dispatch[FunctionType] = _save_named(None)
PackagePickler.dispatch[type] = _save_named(_python_pickler.dispatch[type])


def named_in(data: bytes) -> dict[str, list[str]]:
    """The modules that a pickle names, and what of each."""
    found: dict[str, list[str]] = {}
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            found.setdefault(module, []).append(name)
        elif opcode.name == "STACK_GLOBAL":
            found.setdefault(strings[-2], []).append(strings[-1])
        elif isinstance(argument, str):
            strings.append(argument)
    return found


def unpickled(data: bytes, importer: Importer, load: Callable[[Any], Any]) -> Any:
    """What a pickle holds; PyTorch's names are flambeau's, all others the importer's."""
    base: Any = trusting_unpickler(pickle)

    class PackageUnpickler(base):
        def find_class(self, module: str, name: str) -> Any:
            if module.partition(".")[0] == "torch":
                return super().find_class(module, name)
            found: Any = importer.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
            return found

    return PackageUnpickler(io.BytesIO(data), load).load()
