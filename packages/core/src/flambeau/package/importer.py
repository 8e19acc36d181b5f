"""Reading packages: their modules live beside those of the process, under names of their own."""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import linecache
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from .._base.checks import check
from ..compat import installed
from ..serialization.archive import ArchiveReader
from ..serialization.checkpoint import (
    _byte_order,
    _bytes_of,
    _restorer,
    check_storage_id,
)
from ..serialization.globals import LoadedStorage
from ..serialization.unpickling import damaged
from .modules import Importer, demangle
from .patterns import GlobPattern
from .pickling import unpickled
from .structure import Directory, tree_of

_count = 0


class PackageImporter(Importer):
    """Opens a package. Reading texts and bytes runs nothing; **importing and unpickling run the package's code**.

    package = PackageImporter("model.pt")
    model = package.load_pickle("model", "model.pkl")

    Code that imports `torch` gets flambeau, for which `flambeau.compat.install()` has to be called before.

    Args:
        file_or_buffer: a path, a folder into which a package was unpacked, or a binary file object.
        module_allowed: asked for every external module; ImportError where it says no.
    """

    def __init__(
        self,
        file_or_buffer: str | os.PathLike[str] | IO[bytes],
        module_allowed: Callable[[str], bool] = lambda module_name: True,
    ) -> None:
        global _count
        self.filename = (
            os.fspath(file_or_buffer) if isinstance(file_or_buffer, (str, os.PathLike)) else "<binary>"
        )  # fmt: skip
        self._archive: Any = self._opened(file_or_buffer)
        check(
            ".data/extern_modules" in self._archive,
            lambda: (
                f"PackageImporter: {self.filename} is no package: it has no record '.data/extern_modules'"
            ),
        )
        self._id, _count = f"<torch_package_{_count}>", _count + 1
        self.extern_modules = self._text(".data/extern_modules").split()
        for name in self.extern_modules:
            if not module_allowed(name):
                raise ImportError(
                    f"package {self.filename!r} needs the external module {name!r} but that module has been disallowed"
                )
        self.modules: dict[str, types.ModuleType] = {}
        self._extern = frozenset(self.extern_modules)
        self._folders = {
            "/".join(parts[:i])
            for parts in (record.split("/") for record in self._archive if record.endswith(".py"))
            for i in range(1, len(parts))
        }
        self._reduced: dict[Any, Any] = {}
        self._builtins = {**vars(builtins), "__import__": self._import_statement}

    def _opened(self, file_or_buffer: Any) -> Any:
        if not isinstance(file_or_buffer, (str, os.PathLike)):
            return ArchiveReader(file_or_buffer)
        if os.path.isdir(file_or_buffer):
            return _Folder(file_or_buffer)
        stream = open(file_or_buffer, "rb")  # noqa: SIM115  (open as long as the importer lives)
        weakref.finalize(self, stream.close)
        return ArchiveReader(stream)

    def id(self) -> str:
        """The name before the names of all modules of this package, such as "<torch_package_0>"."""
        return self._id

    def __repr__(self) -> str:
        return f"PackageImporter({self.filename!r})"

    def python_version(self) -> str | None:
        """The version of Python that wrote the package."""
        record = ".data/python_version"
        return self._text(record).strip() if record in self._archive else None

    def file_structure(
        self, *, include: GlobPattern = "**", exclude: GlobPattern = ()
    ) -> Directory:
        """The files in the package as a tree."""
        return tree_of(self.filename, self._archive, include, exclude)

    # -- resources -----------------------------------------------------------------------------------------

    def load_binary(self, package: str, resource: str) -> bytes:
        """Bytes as they were saved."""
        return self._bytes(f"{package.replace('.', '/')}/{resource}")

    def load_text(
        self, package: str, resource: str, encoding: str = "utf-8", errors: str = "strict"
    ) -> str:
        """A text."""
        return self.load_binary(package, resource).decode(encoding, errors)

    def load_pickle(self, package: str, resource: str, map_location: Any = None) -> Any:
        """An object; the modules of its classes are imported, from the package where they are interned."""
        restore = _restorer(map_location)
        swap = _byte_order(self._archive) != sys.byteorder
        storages: dict[str, Any] = {}  # of this call: two calls give objects that share nothing

        def load(pid: Any) -> Any:
            if type(pid) is tuple and pid[:1] == ("reduce_package",) and len(pid) >= 4:
                _, number, function, arguments = pid[:4]
                if number not in self._reduced:
                    self._reduced[number] = function(self, *arguments)
                return self._reduced[number]
            if (
                type(pid) is tuple and len(pid) == 5 and type(pid[2]) is int
            ):  # as PyTorch writes them
                pid = (*pid[:2], str(pid[2]), *pid[3:])
            kind, key, location, count = check_storage_id(pid, extra=0)
            record, nbytes = f".data/{key}.storage", count * kind.dtype.itemsize
            if record not in self._archive or self._archive.size(record) != nbytes:
                raise damaged(ValueError(f"storage {key!r} is not there in that size"))
            if key not in storages:
                raw = _bytes_of(self._archive, record, None, kind, swap)
                storages[key] = restore(raw, location)
            return LoadedStorage(kind, storages[key])

        return unpickled(self.load_binary(package, resource), self, load)

    def _bytes(self, record: str) -> bytes:
        return self._archive.read(record).tobytes()

    def _text(self, record: str) -> str:
        return self._bytes(record).decode()

    # -- modules -------------------------------------------------------------------------------------------

    def import_module(self, name: str, package: Any = None) -> types.ModuleType:
        """A module of the package, or an external one that it may use; run at the first call."""
        if name == "torch_package_importer":
            return self  # type: ignore[return-value]  # what packaged code asks for by this name
        found = self.modules.get(name)
        if found is not None:
            return found
        parent, _, last = name.rpartition(".")
        if parent and not self._is_extern(parent):
            above = self.import_module(parent)
            if name in self.modules:  # the parent imports it
                return self.modules[name]
            module = self._load(name)
            setattr(above, last, module)
            return module
        return self._load(name)

    def _is_extern(self, name: str) -> bool:
        parts = name.split(".")
        return any(".".join(parts[:i]) in self._extern for i in range(1, len(parts) + 1))

    def _load(self, name: str) -> types.ModuleType:
        path = name.replace(".", "/")
        for record, is_package in ((f"{path}/__init__.py", True), (f"{path}.py", False)):
            if record in self._archive:
                return self._run(name, record, is_package)
        if self._is_extern(name):
            return self._external(name)
        if path in self._folders or any(e.startswith(name + ".") for e in self._extern):
            return self._module(name, None, True)
        raise ModuleNotFoundError(
            f"no module named {name!r} is in the package {self.filename!r}, and it is not among its external modules: "
            f"{', '.join(self.extern_modules)}",
            name=name,
        )

    def _external(self, name: str) -> types.ModuleType:
        if name.partition(".")[0] == "torch" and not installed():
            raise ImportError(
                f"the package {self.filename!r} imports {name}; call flambeau.compat.install() first, so that flambeau "
                "answers for it",
                name=name,
            )
        self.modules[name] = importlib.import_module(name)
        return self.modules[name]

    def _module(self, name: str, record: str | None, is_package: bool) -> types.ModuleType:
        full = f"{self._id}.{name}"
        module = types.ModuleType(full)
        spec = importlib.machinery.ModuleSpec(
            full, self, origin="<package_importer>", is_package=is_package  # type: ignore[arg-type]
        )  # fmt: skip
        package = name if is_package else name.rpartition(".")[0]
        module.__dict__.update(
            __spec__=spec, __loader__=self, __package__=package, __builtins__=self._builtins, __torch_package__=True,
            __file__=None if record is None else f"{self._id}.{record}",
        )  # fmt: skip
        if is_package:
            module.__path__ = [f"{self._id}.{name.replace('.', '/')}"]
        self.modules[name] = module
        return module

    def _run(self, name: str, record: str, is_package: bool) -> types.ModuleType:
        module = self._module(name, record, is_package)
        try:
            source = self._text(record)
            filename = f"{self._id}.{record}"
            # So that tracebacks show the lines.
            linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
            exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  (what a package is for)
        except BaseException:
            self.modules.pop(name, None)
            raise
        return self.modules[name]

    def get_source(self, module_name: str) -> str:
        """The source of one of the package's modules. ImportError where there is none."""
        path = demangle(module_name).replace(".", "/")
        for record in (f"{path}/__init__.py", f"{path}.py"):
            if record in self._archive:
                return self._text(record)
        raise ImportError(f"the package has no source of {module_name!r}", name=module_name)

    def _import_statement(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        """`__import__` of the package's modules."""
        if level:
            package = demangle((globals or {}).get("__package__") or "")
            name = importlib.util.resolve_name("." * level + name, package)
        module = self.import_module(name)
        if not fromlist:
            return module if level else self.import_module(name.partition(".")[0])
        wanted = getattr(module, "__all__", ()) if "*" in fromlist else fromlist
        for part in wanted:
            if not hasattr(module, part) and hasattr(module, "__path__"):
                try:
                    self.import_module(f"{name}.{part}")
                except ModuleNotFoundError as error:
                    if demangle(error.name or "") != f"{name}.{part}":
                        raise  # something else is missing, inside that module
        return module


class _Folder:
    """A package that was unpacked: the records are files."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._root = Path(path)

    def __iter__(self) -> Iterator[str]:
        for file in sorted(self._root.rglob("*")):
            if file.is_file():
                yield file.relative_to(self._root).as_posix()

    def _file(self, record: str) -> Path:
        return self._root / record

    def __contains__(self, record: str) -> bool:
        return ".." not in record.split("/") and self._file(record).is_file()

    def size(self, record: str) -> int:
        return self._file(record).stat().st_size

    def read(self, record: str) -> np.ndarray:
        check(record in self, lambda: f"load: the package has no record {record!r}")
        return np.frombuffer(bytearray(self._file(record).read_bytes()), np.uint8)
