"""`jit.save` and `jit.load`: programs with their weights in one file, without the Python they came from.

The file is a checkpoint of `flambeau.save` (data.pkl with a list of tensors, data/0 ...) with three more records:

    program.json   version; functions as text of the language; modules: attributes, members, programs
    extra/NAME     what `_extra_files` held

Programs are compiled by `language`, never executed as Python, and name only what `names` has.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import sys
from contextlib import nullcontext
from typing import Any

from ...nn.modules.module import Module
from ...runtime.tensor import Tensor
from ...serialization import archive as zips
from ...serialization import checkpoint
from ...serialization.files import whole_file
from ...serialization.pickling import pickler_class
from . import tracing
from .classes import Kind, enumeration, is_named_tuple, named_tuple
from .data import VERSION, Reader, Writer, damaged
from .frontend import LibraryForward, Static, is_library
from .functions import Outside
from .language import Function, parse
from .module import BASE, ScriptFunction, ScriptModule
from .names import Library
from .reading import Archive

RECORD = "program.json"
HOME = "flambeau.nn.modules."  # where the library's own classes are


def save(m: Any, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
    """Writes a scripted or traced module or function to a path or binary file.

    `_extra_files` are texts or bytes by name that travel with it.
    """
    if not isinstance(m, (ScriptModule, ScriptFunction)):
        raise TypeError(
            f"jit.save: expected what jit.script or jit.trace made, got {type(m).__name__}"
        )
    writer = _Saver()
    text = json.dumps(writer.whole(m), separators=(",", ":")).encode()
    body = io.BytesIO()
    pickler = pickler_class(pickle)(body, 2)
    pickler.dump(writer.tensors)
    is_path = isinstance(f, (str, os.PathLike))
    with whole_file(f) if is_path else nullcontext(f) as stream:
        out = zips.ArchiveWriter(stream, checkpoint._archive_name(f) if is_path else "archive")
        out.write("data.pkl", body.getvalue())
        out.write(RECORD, text)
        out.write("byteorder", sys.byteorder.encode())
        for key, (raw, _) in enumerate(pickler.storages):
            out.write(f"data/{key}", raw)
        for name, value in (_extra_files or {}).items():
            out.write(f"extra/{name}", value.encode() if isinstance(value, str) else bytes(value))
        out.write("version", b"3\n")
        out.close()


def load(f: Any, map_location: Any = None, _extra_files: dict[str, Any] | None = None, *,
         _restore_shapes: bool = False) -> Any:  # fmt: skip
    """Reads a file of `jit.save`, or one that PyTorch's `torch.jit.save` wrote.

    `map_location` is that of `flambeau.load`. `_extra_files` has names as keys and is filled with what the file has
    under them.
    """
    with checkpoint._opened(f) as stream:
        start = stream.tell()
        first = stream.read(4)
        stream.seek(start)
        if first != b"PK\x03\x04":
            raise RuntimeError("jit.load: the file is no archive of jit.save")
        archive = Archive(stream)
        _fill(archive, _extra_files)
        if RECORD in archive:
            tensors = checkpoint._Reader(
                checkpoint._restorer(map_location), False, pickle, {}
            ).read_archive(stream, None)
            return _Loader(archive.read(RECORD).tobytes(), tensors).whole()
        if "constants.pkl" not in archive:
            raise RuntimeError(
                "jit.load: a zip archive without a program; flambeau.load reads checkpoints"
            )
        from . import torchscript

        return torchscript.load(archive, checkpoint._restorer(map_location))


def _fill(archive: Any, extra: dict[str, Any] | None) -> None:
    for name in extra or ():
        if f"extra/{name}" in archive:
            extra[name] = archive.read(f"extra/{name}").tobytes()  # type: ignore[index]


class _Saver(Writer):
    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[int, int] = {}
        self._list: list[dict[str, Any] | None] = []

    def whole(self, m: Any) -> dict[str, Any]:
        library = m.library if isinstance(m, ScriptFunction) else None
        root: Any
        if library is not None:
            self.classes = {kind: n for n, kind in library.classes.items()}
        if isinstance(m, ScriptFunction):
            root = {"function": self.program(m.program, m.name)}
        else:
            libraries = {
                id(part._library): part._library
                for part in m.modules()
                if isinstance(part, ScriptModule) and part._library is not None
            }
            if len(libraries) > 1:
                libraries = _merged(list(libraries.values()))
            library = next(iter(libraries.values()), None)
            if library is not None:
                self.classes = {kind: n for n, kind in library.classes.items()}
            root = {"module": self.module(m)}
        functions = {}
        constants: list[int] = []
        kinds: dict[str, Any] = {}
        if library is not None:
            kinds = {n: self.kind(kind) for n, kind in library.classes.items()}
            functions = {n: self.program(f, n) for n, f in library.functions.items()}
            constants = [self.tensor(t) for t in library.constants]
        return {
            "flambeau.jit": VERSION, "functions": functions, "constants": constants, "root": root,
            "modules": self._list, "classes": kinds,
        }  # fmt: skip

    def kind(self, kind: Any) -> Any:
        """A class: the names of its parts, methods as programs."""
        if isinstance(kind, Kind):
            methods = {n: self.program(p, n) for n, p in kind.methods.items()}
            return {
                "fields": sorted(kind.fields), "methods": methods, "properties": sorted(kind.properties),
                "statics": sorted(kind.statics),
            }  # fmt: skip
        if is_named_tuple(kind):
            defaults = [self.value(v, kind.__name__) for v in kind._field_defaults.values()]
            return {"tuple": list(kind._fields), "defaults": defaults}
        return {
            "enum": [[n, self.value(m.value, kind.__name__)] for n, m in kind.__members__.items()]
        }

    def program(self, program: Any, name: str) -> Any:
        if isinstance(program, Static):
            made = self.program(program.program, name)
            return {**made, "static": True}
        if isinstance(program, Outside):
            if program.mark == "unused":
                return {"unused": name}
            raise RuntimeError(
                f"jit.save: {name} is marked ignore and stays Python, which no file can hold; mark it unused"
            )
        if isinstance(program, Function):
            return {"text": program.text}
        if isinstance(program, tracing.Traced):
            return {"graph": program.data(self)}
        if isinstance(program, LibraryForward):
            return {"library": self.module(program.module)}
        raise RuntimeError(
            f"jit.save: {name} was loaded from PyTorch's archive, whose code this format does not have; keep that file"
        )

    def module(self, m: Module) -> int:
        if id(m) in self._modules:
            return self._modules[id(m)]
        self._modules[id(m)] = at = len(self._list)
        self._list.append(None)
        made: dict[str, Any] = {"training": m.training}
        if isinstance(m, ScriptModule):
            made["name"] = m.original_name
            names = sorted(m._attributes)
        else:
            if not is_library(m):
                raise RuntimeError(
                    f"jit.save: {type(m).__name__} was put in after scripting; script it first"
                )
            kind = type(m)
            if getattr(sys.modules[kind.__module__], kind.__name__, None) is not kind:
                raise RuntimeError(
                    f"jit.save: {kind.__name__} is a class made while running (a parametrization?); remove it first"
                )
            made["class"] = f"{kind.__module__.removeprefix(HOME)}.{kind.__name__}"
            names = [n for n in m.__dict__ if n not in BASE]
        made["attributes"] = {
            n: self.value(m.__dict__[n], f"{type(m).__name__}.{n}") for n in names
        }
        made["parameters"] = {
            n: None if p is None else self.tensor(p) for n, p in m._parameters.items()
        }
        made["buffers"] = {n: None if b is None else self.tensor(b) for n, b in m._buffers.items()}
        made["transient"] = sorted(m._non_persistent_buffers_set)
        made["modules"] = {n: None if c is None else self.module(c) for n, c in m._modules.items()}
        if isinstance(m, ScriptModule):
            made["programs"] = {n: self.program(p, n) for n, p in m._programs.items()}
            made["properties"] = sorted(m._properties)
        self._list[at] = made
        return at


def _merged(libraries: list[Library]) -> dict[int, Library]:
    """Libraries of parts that were scripted one by one; RuntimeError where a name means two things."""
    whole = Library()
    for one in libraries:
        if one.constants and whole.constants:
            raise RuntimeError(
                "jit.save: modules scripted one by one that hold tensors from outside; script the whole at once"
            )
        whole.constants.extend(one.constants)
        for name, kind in one.classes.items():
            if getattr(whole.classes.setdefault(name, kind), "python", kind) is not getattr(
                kind, "python", kind
            ):
                raise RuntimeError(
                    f"jit.save: two classes are called {name!r} in modules scripted one by one; script the whole at once"
                )
        for name, f in one.functions.items():
            before = whole.functions.setdefault(name, f)
            if before is not f and getattr(before, "text", 0) != getattr(f, "text", 1):
                raise RuntimeError(
                    f"jit.save: two functions are called {name!r} in modules scripted one by one; script the whole at once"
                )
    return {0: whole}


class _Loader(Reader):
    def __init__(self, text: bytes, tensors: Any) -> None:
        if not isinstance(tensors, list) or not all(isinstance(t, Tensor) for t in tensors):
            damaged("its data are no list of tensors")
        super().__init__(tensors)
        try:
            self.tree = json.loads(text)
        except (ValueError, RecursionError) as error:
            damaged(f"its program is no JSON ({error})")
        if not isinstance(self.tree, dict) or type(self.tree.get("flambeau.jit")) is not int:
            damaged("its program has no version")
        if self.tree["flambeau.jit"] > VERSION:
            raise RuntimeError(
                f"jit.load: the file has version {self.tree['flambeau.jit']}, this flambeau reads {VERSION}"
            )
        self.library = Library()
        self.modules: dict[int, Module] = {}
        self.opening: set[int] = set()

    def whole(self) -> Any:
        try:
            return self._whole()
        except (
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
            IndexError,
            RecursionError,
        ) as error:
            damaged(f"{type(error).__name__}: {error}")

    def _whole(self) -> Any:
        tree = self.tree
        self.library.classes = self.classes
        kinds = tree.get("classes", {})
        for name, node in kinds.items():
            self.classes[name] = self.kind(name, node)
        self.library.constants = [self.tensor(t) for t in tree["constants"]]
        later = {name: _Waiting(name) for name in tree["functions"]}
        self.library.functions.update(later)
        for name, node in tree["functions"].items():
            later[name].target = self.library.functions[name] = self.program(node, name)
        for name, node in kinds.items():
            for method, text in node.get("methods", {}).items():
                self.classes[name].methods[method] = self.program(text, method)
        root = tree["root"]
        if "function" in root:
            program = self.program(root["function"], "function")
            return ScriptFunction(program, self.library)
        return self.module(root["module"])

    def kind(self, name: str, node: Any) -> Any:
        """A class of the file's, its methods still to come."""
        if "tuple" in node:
            defaults = [self.value(v) for v in node["defaults"]]
            return named_tuple(name, [str(n) for n in node["tuple"]], defaults)
        if "enum" in node:
            return enumeration(name, [(n, self.value(v)) for n, v in node["enum"]])
        made = Kind(name, map(str, node["fields"]))
        made.properties.update(node["properties"])
        made.statics.update(node["statics"])
        return made

    def program(self, node: Any, name: str) -> Any:
        if "unused" in node:
            program: Any = Outside(_nothing(str(node["unused"])), "unused")
        elif "text" in node:
            tree = parse(str(node["text"]), "jit.load")
            if len(tree.body) != 1 or type(tree.body[0]).__name__ != "FunctionDef":
                damaged(f"the program {name} is no function")
            program = Function(tree.body[0], self.library, node["text"])  # type: ignore[arg-type]
        elif "graph" in node:
            program = tracing.Traced.of_data(node["graph"], self)
        else:
            program = LibraryForward(self.module(node["library"]))
        return Static(program) if node.get("static") else program

    def module(self, at: Any) -> Module:
        if at in self.modules:
            return self.modules[at]
        if type(at) is not int or not 0 <= at < len(self.tree["modules"]):
            damaged(f"it has no module {at!r}")
        node = self.tree["modules"][at]
        if "class" in node:
            made = self.library_module(node)
        else:
            made = ScriptModule(str(node["name"]))
            made.__dict__["_library"] = self.library
        self.modules[at] = made
        state = made.__dict__
        state["training"] = bool(node["training"])
        taken = set(state) | set(_methods_of(type(made)))
        for name, value in node["attributes"].items():
            if name in taken or name.startswith("__"):
                damaged(f"a module cannot have an attribute {name!r}")
            state[name] = self.value(value)
            if isinstance(made, ScriptModule):
                made._attributes.add(name)
        for kind, place in (("parameters", "_parameters"), ("buffers", "_buffers")):
            for name, value in node[kind].items():
                state[place][name] = None if value is None else self.tensor(value)
        state["_non_persistent_buffers_set"].update(node["transient"])
        for name, child in node["modules"].items():
            state["_modules"][name] = None if child is None else self.module(child)
        for name, program in node.get("programs", {}).items():
            made._programs[name] = self.program(program, name)
        if "properties" in node:
            made._properties.update(node["properties"])
        return made

    def library_module(self, node: Any) -> Module:
        home, _, name = str(node["class"]).rpartition(".")
        kind = getattr(sys.modules.get(HOME + home), name, None)
        if not (
            inspect.isclass(kind) and issubclass(kind, Module) and kind.__module__ == HOME + home
        ):
            damaged(f"there is no module {node['class']!r}")
        made = object.__new__(kind)
        Module.__init__(made)
        return made


class _Waiting:
    """A function that a program names before it is compiled."""

    target: Any = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.target(*args, **kwargs)


def _nothing(name: str) -> Any:
    def unused() -> None: ...

    unused.__name__ = name
    return unused


def _methods_of(kind: type) -> list[str]:
    return [n for n in dir(kind) if callable(getattr(kind, n, None))]
