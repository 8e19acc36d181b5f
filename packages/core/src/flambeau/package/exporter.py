"""Writing packages: objects, the modules that their classes are in, and the modules that those import."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import IO, Any

from .._base.checks import check
from ..compat.finder import _inner_module
from ..serialization.archive import ArchiveWriter
from ..serialization.checkpoint import _archive_name
from ..serialization.files import whole_file
from ..utils.hooks import RemovableHandle
from .graph import Graph, Rule
from .modules import Importer, OrderedImporter, sys_importer
from .patterns import GlobGroup, GlobPattern
from .pickling import PackagePickler, named_in
from .sources import MOCK_FILE, MOCKED_MODULE, imports, source_of

_NEVER_IMPLICIT = ("sys", "io")
_NO_RULE = "No rule says what is to become of it. Extern, mock, or intern it."
_DENIED = "It was denied by a pattern."
_STILL_USED = "It was mocked, but objects of it are in the package. Intern or extern it."
Hook = Callable[["PackageExporter", str], None]


class EmptyMatchError(Exception):
    """A rule given with `allow_empty=False` matched no module."""


class PackagingError(Exception):
    """Modules cannot be packaged: one line for each, by the reason."""

    def __init__(self, dependency_graph: Graph, debug: bool = False) -> None:
        self.dependency_graph = dependency_graph
        broken: dict[str, list[str]] = {}
        for name, node in dependency_graph.nodes.items():
            if node.problem is not None:
                line = f"    {name}"
                if node.note:
                    line += f"\n      {node.note}"
                if debug:
                    line += f"\n      needed by: {' -> '.join(dependency_graph.way(name))}"
                broken.setdefault(node.problem, []).append(line)
        text = "".join(f"\n* {why}\n" + "\n".join(lines) for why, lines in broken.items())
        if not debug:
            text += "\nPackageExporter(..., debug=True) shows what needs each of them."
        super().__init__(text)


class PackageExporter:
    """Writes a package; a `with` block closes it, and leaves no file where an exception ends the block.

    with PackageExporter("model.pt") as package:
        package.intern("mymodel.**")
        package.extern("numpy.**")
        package.save_pickle("model", "model.pkl", model)

    Every module that is needed has to be matched by a rule, in the order in which rules are given. PyTorch's, flambeau's and the
    standard library's are external without one, but for `sys` and `io`.

    Args:
        f: a path or a binary file object.
        importer: where objects and modules are looked up: an `Importer` or several in order, a `PackageImporter` among them
            where objects came from a package themselves.
        debug: whether errors tell what needed a module.
    """

    def __init__(
        self,
        f: str | os.PathLike[str] | IO[bytes],
        importer: Importer | Sequence[Importer] = sys_importer,
        debug: bool = False,
    ) -> None:
        self.importer = importer if isinstance(importer, Importer) else OrderedImporter(*importer)
        self.debug = debug
        self.dependency_graph = Graph()
        self._rules: list[Rule] = []
        self._hooks: dict[str, OrderedDict[int, Hook]] = {
            action: OrderedDict() for action in ("extern", "mock", "intern")
        }
        self._names = 0
        self._reduced: dict[int, tuple[Any, Any]] = {}
        self._storages: tuple[list, dict] = ([], {})
        self._written = 0
        self._records: set[str] = set()
        self._ending = contextlib.ExitStack()
        is_path = isinstance(f, (str, os.PathLike))
        stream = self._ending.enter_context(whole_file(f)) if is_path else f  # type: ignore[arg-type]
        self._archive = ArchiveWriter(stream, _archive_name(f) if is_path else "archive")  # type: ignore[arg-type]
        self._closed = False

    # -- rules ---------------------------------------------------------------------------------------------

    def intern(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True) -> None:  # fmt: skip
        """Modules whose source goes into the package, and what they import is looked at."""
        self._rule("intern", include, exclude, allow_empty)

    def extern(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True) -> None:  # fmt: skip
        """Modules that the process which opens the package has to have."""
        self._rule("extern", include, exclude, allow_empty)

    def mock(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True) -> None:  # fmt: skip
        """Modules that are mentioned and not used: using one is an error once the package is opened."""
        self._rule("mock", include, exclude, allow_empty)

    def deny(self, include: GlobPattern, *, exclude: GlobPattern = ()) -> None:
        """Modules that must not be needed."""
        self._rule("deny", include, exclude, True)

    def _rule(
        self, action: str, include: GlobPattern, exclude: GlobPattern, allow_empty: bool
    ) -> None:
        self._rules.append(Rule(GlobGroup(include, exclude=exclude), action, allow_empty))

    def register_extern_hook(self, hook: Hook) -> RemovableHandle:
        """`hook(exporter, module_name)` is called for each module that becomes external."""
        return self._register("extern", hook)

    def register_mock_hook(self, hook: Hook) -> RemovableHandle:
        """`hook(exporter, module_name)` is called for each module that is mocked."""
        return self._register("mock", hook)

    def register_intern_hook(self, hook: Hook) -> RemovableHandle:
        """`hook(exporter, module_name)` is called for each module whose source is written."""
        return self._register("intern", hook)

    def _register(self, action: str, hook: Hook) -> RemovableHandle:
        hooks = self._hooks[action]
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    # -- what goes in --------------------------------------------------------------------------------------

    def save_pickle(
        self, package: str, resource: str, obj: Any, dependencies: bool = True, pickle_protocol: int = 3
    ) -> None:  # fmt: skip
        """An object, and with `dependencies` the modules of its classes and functions."""
        check(
            (pickle_protocol == 4 and isinstance(self.importer, type(sys_importer))) or pickle_protocol == 3,
            lambda: "If pickle_protocol is not 3, importer must be sys_importer and the protocol 4",
            AssertionError,
        )  # fmt: skip
        body = io.BytesIO()
        pickler = PackagePickler(
            body, pickle_protocol, self.importer, self._reduce_package, self._storages
        )
        pickler.dump(obj)
        data = body.getvalue()
        name = f"<{package}.{resource}>"
        node = self.dependency_graph.node(name)
        node.action, node.is_pickle = "intern", True
        if dependencies:
            for module, used in named_in(data).items():
                self.dependency_graph.edge(name, module)
                self.add_dependency(module)
                found = self.dependency_graph.nodes.get(module)
                if found is not None and found.action == "mock":
                    found.problem = _STILL_USED
                    found.note = f"used in {resource!r} of package {package!r}: {', '.join(used)}"
        for number in range(self._written, len(self._storages[0])):
            self._write(f".data/{number}.storage", self._storages[0][number][0])
        self._written = len(self._storages[0])
        self._write(_path(package, resource), data)

    def save_text(self, package: str, resource: str, text: str) -> None:
        """A text, in UTF-8."""
        self.save_binary(package, resource, text.encode())

    def save_binary(self, package: str, resource: str, binary: bytes) -> None:
        """Bytes as they are."""
        self._write(_path(package, resource), binary)

    def save_module(self, module_name: str, dependencies: bool = True) -> None:
        """A module's source, and with `dependencies` what it imports."""
        check(
            isinstance(module_name, str),
            lambda: (
                "save_module() expects a string input, did you perhaps mean to pass `__name__`?"
            ),
            TypeError,
        )
        self._intern(module_name, dependencies)

    def save_source_string(
        self, module_name: str, src: str, is_package: bool = False, dependencies: bool = True
    ) -> None:
        """Source to be the module of that name."""
        node = self.dependency_graph.node(module_name)
        node.action, node.source, node.is_package = "intern", src, is_package
        if dependencies:
            self._follow(module_name, src, is_package)

    def save_source_file(
        self, module_name: str, file_or_directory: str, dependencies: bool = True
    ) -> None:
        """A file, or all Python files of a folder, as the module of that name."""
        from pathlib import Path

        path = Path(file_or_directory)
        if not path.is_dir():
            is_package = path.name == "__init__.py"
            self.save_source_string(module_name, path.read_text("utf-8"), is_package, dependencies)
            return
        for file in sorted(path.rglob("*.py")):
            parts = [module_name, *file.relative_to(path).with_suffix("").parts]
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            self.save_source_string(name, file.read_text("utf-8"), is_package, dependencies)

    def add_dependency(self, module_name: str, dependencies: bool = True) -> None:
        """Decides by the rules what becomes of a module that is needed."""
        found = self.dependency_graph.nodes.get(module_name)
        if found is not None and (found.action is not None or found.problem is not None):
            return
        if module_name == "torch_package_importer":
            return  # the importer itself answers
        node = self.dependency_graph.node(module_name)
        if _is_implicit(module_name):
            node.action = "extern"
            return
        for rule in self._rules:
            if rule.group.matches(module_name):
                rule.was_matched = True
                node.action = rule.action
                if rule.action == "intern":
                    self._intern(module_name, dependencies)
                elif rule.action == "deny":
                    node.problem = _DENIED
                return
        node.problem = _NO_RULE
        if module_name in _NEVER_IMPLICIT:
            node.note = f"{module_name} reaches deep into the system; extern({module_name!r}) if that is meant"

    def _intern(self, module_name: str, dependencies: bool) -> None:
        node = self.dependency_graph.node(module_name)
        node.action = "intern"
        try:
            module = self.importer.import_module(module_name)
        except ImportError as error:
            node.problem, node.note = "It cannot be imported.", str(error)
            return
        source, why = source_of(module, self.importer)
        if source is None:
            node.problem, node.note = "It has no source that could be packaged.", why
            return
        node.source, node.is_package = source, hasattr(module, "__path__")
        if dependencies:
            self._follow(module_name, source, node.is_package)

    def _follow(self, module_name: str, source: str, is_package: bool) -> None:
        package = module_name if is_package else module_name.rpartition(".")[0]
        try:
            found = imports(source, package)
        except SyntaxError as error:
            node = self.dependency_graph.node(module_name)
            node.problem, node.note = "Its source cannot be read.", str(error)
            return
        for module, name in found:
            inside = f"{module}.{name}"
            needed = inside if name and self._exists(inside) else module
            if self._exists(needed) and needed != module_name:
                self.dependency_graph.edge(module_name, needed)
                self.add_dependency(needed)

    def _exists(self, module_name: str) -> bool:
        if module_name == "torch_package_importer" or module_name in self.dependency_graph.nodes:
            return True
        if (
            module_name.partition(".")[0] == "torch"
        ):  # PyTorch's modules, whether or not compat answers for them
            return _inner_module(module_name) is not None
        try:
            self.importer.import_module(module_name)
        except Exception:  # whatever a module that cannot be imported raises
            return False
        return True

    # -- what is known -------------------------------------------------------------------------------------

    def get_unique_id(self) -> str:
        """A number that this package gives once."""
        self._names += 1
        return str(self._names - 1)

    def interned_modules(self) -> list[str]:
        """The modules whose source goes into the package."""
        return self.dependency_graph.named("intern")

    def externed_modules(self) -> list[str]:
        """The modules that the package will need from outside."""
        return self.dependency_graph.named("extern")

    def mocked_modules(self) -> list[str]:
        """The modules that are replaced by mocks."""
        return self.dependency_graph.named("mock")

    def denied_modules(self) -> list[str]:
        """The modules that are needed and must not be."""
        return self.dependency_graph.named("deny")

    def dependency_graph_string(self) -> str:
        """What needs what, as text in the language of Graphviz."""
        return self.dependency_graph.dot()

    def get_rdeps(self, module_name: str) -> list[str]:
        """What needs a module; nothing for one that is not there."""
        graph = self.dependency_graph
        return graph.needed_by(module_name) if module_name in graph.nodes else []

    def all_paths(self, src: str, dst: str) -> str:
        """All ways from one module to another, as text in the language of Graphviz."""
        return self.dependency_graph.between(src, dst)

    # -- the file ------------------------------------------------------------------------------------------

    def _reduce_package(self, obj: Any) -> tuple:
        if id(obj) not in self._reduced:
            self._reduced[id(obj)] = (
                obj,  # kept, so that its number is no other's
                ("reduce_package", len(self._reduced), *obj.__reduce_package__(self)),
            )
        return self._reduced[id(obj)][1]

    def _write(self, record: str, data: Any) -> None:
        check(not self._closed, lambda: "PackageExporter: the package has been closed")
        check(
            record not in self._records,
            lambda: f"PackageExporter: the package has {record!r} already",
        )
        self._records.add(record)
        self._archive.write(record, data)

    def close(self) -> None:
        """Writes the modules and ends the file. PackagingError where modules cannot be packaged."""
        if self._closed:
            return
        try:
            for rule in self._rules:
                if not (rule.allow_empty or rule.was_matched):
                    raise EmptyMatchError(
                        f"Exporter did not match any modules to {rule.group}, which was marked as allow_empty=False"
                    )
            if any(node.problem is not None for node in self.dependency_graph.nodes.values()):
                raise PackagingError(self.dependency_graph, self.debug)
            self._write_modules()
            self._archive.close()
        except BaseException:
            self._abandon()
            raise
        self._closed = True
        self._ending.close()

    def _write_modules(self) -> None:
        external = []
        for name, node in list(self.dependency_graph.nodes.items()):
            if node.is_pickle or node.action is None:
                continue
            for hook in self._hooks.get(node.action, {}).values():
                hook(self, name)
            if node.action == "extern":
                external.append(f"{name}\n")
            else:
                if node.action == "mock" and "_mock.py" not in self._records:
                    self._write("_mock.py", MOCK_FILE.encode())
                source = MOCKED_MODULE if node.action == "mock" else node.source or ""
                self._write(_source_path(name, node.is_package), source.encode())
        self._write(".data/extern_modules", "".join(external).encode())
        self._write(".data/python_version", platform.python_version().encode())
        self._write(".data/version", b"6\n")
        self._write("byteorder", sys.byteorder.encode())
        self._write(".data/serialization_id", self._archive.serialization_id())

    def _abandon(self) -> None:
        """Leaves nothing at the path."""
        self._closed = True
        try:
            with self._ending.pop_all():
                raise _Abandoned
        except _Abandoned:
            pass

    def __enter__(self) -> PackageExporter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self._abandon()


class _Abandoned(Exception):
    """Tells the file that it is not to be."""


def _is_root_of_ours(module_name: str) -> bool:
    return module_name.partition(".")[0] in ("torch", "flambeau")


def _is_implicit(module_name: str) -> bool:
    root = module_name.partition(".")[0]
    if _is_root_of_ours(root):
        return True
    return root not in _NEVER_IMPLICIT and (root in sys.stdlib_module_names or root == "builtins")


def _path(package: str, resource: str) -> str:
    return f"{package.replace('.', '/')}/{resource}"


def _source_path(module_name: str, is_package: bool) -> str:
    return module_name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
