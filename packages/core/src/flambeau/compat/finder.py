"""The import machinery that answers `torch`: a finder in front of all others, and the distribution's metadata."""

from __future__ import annotations
import __future__

import dis
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import re
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from opcode import opmap
from typing import Any

from .._base import dtypes
from ..backends.settings import Settings
from .missing import Missing

# What version checks read. The local part tells whoever looks that this is not PyTorch itself.
VERSION = "2.13.0+flambeau"

# Whole packages. Those beside torch are answered if flambeau's are installed.
ROOTS = {
    "torch": "flambeau",
    "functorch": "flambeau.functorch",
    "torchvision": "flambeau_vision",
    "torchaudio": "flambeau_audio",
}
VERSIONS = {
    "torch": VERSION,
    "functorch": VERSION,
    "torchvision": "0.28.0+flambeau",
    "torchaudio": "2.11.0+flambeau",
}

# Modules of PyTorch's whose counterpart has another name here.
RENAMED = {
    "torch.utils.data.dataset": "flambeau.utils.data",
    "torch.utils.data._utils": "flambeau.utils.data",
    "torch.utils.data._utils.collate": "flambeau.utils.data.collate",
    "torch.utils.data._utils.worker": "flambeau.utils.data.worker",
    "torch.utils.data._utils.pin_memory": "flambeau.utils.data.pin_memory",
    "torch.utils.data.datapipes.iter": "flambeau.utils.data.datapipes",
    "torch.autograd.gradcheck": "flambeau.autograd.checks",
    "torch.autograd.variable": "flambeau.autograd.variables",
    "torch.autograd.grad_mode": "flambeau.autograd.modes",
    "torch.autograd.anomaly_mode": "flambeau.autograd.modes",
    "torch.functional": "flambeau",
    "torch._tensor": "flambeau",
    "torch._VF": "flambeau",
    "torch._C._functorch": None,
    "torch._utils": "flambeau.compat.small",
    "torch.nn.common_types": "flambeau.compat.types",
    "torch.random": "flambeau.random",
    "torch.utils.model_zoo": "flambeau.compat.model_zoo",
    "torch.ops": "flambeau.compat.torch_ops",
    "torch.types": "flambeau.compat.types",
    "torch.version": "flambeau.compat.version",
    "torch.__config__": "flambeau.compat.build",
    "torch._C": "flambeau.compat.core",
    "torch._jit_internal": "flambeau.compat.jit_internal",
    "torch._tensor_str": "flambeau.compat.tensor_str",
    "torch._subclasses": "flambeau.compat.subclasses",
    "torch._subclasses.fake_tensor": "flambeau.compat.subclasses",
    "torch._library": "flambeau.library",
    "torch.jit": "flambeau.compat.jit",
    "torch.jit.annotations": "flambeau.compat.jit_internal",
    "torch._dynamo": "flambeau.compat.compiler",
    "torch._compile": "flambeau.compat.compiler",
    "torch.fx": "flambeau.compat.fx",
    "torch.fx._symbolic_trace": "flambeau.compat.fx",
    "torch.backends": "flambeau.compat.backends",
    "torch.accelerator": "flambeau.compat.accelerator",
    "torch.utils._pytree": "flambeau.compat.pytree",
    "torch.utils._cxx_pytree": "flambeau.compat.pytree",
    "torch.utils._python_dispatch": "flambeau.compat.python_dispatch",
    "torch.utils._foreach_utils": "flambeau.compat.foreach",
    **dict.fromkeys(("torch.xpu", "torch.mps", "torch.mtia"), "flambeau.compat.absent_device"),
}

# Where else a module's names are looked for: PyTorch cuts its packages into files in another way. The first that fits.
ALSO = (
    (r"torch", ("flambeau.compat.top",)),
    (r"torch\.(functional|_tensor|_VF)", ("flambeau.functions", "flambeau.overrides", "flambeau.compat.core")),
    (r"torch\.nn\.modules\.module", ("flambeau.compat.small", "flambeau.nn", "flambeau.utils.hooks")),
    (r"torch\.nn\.modules(\..*)?", ("flambeau.nn", "flambeau.nn.init", "flambeau.nn.functional", "flambeau")),
    (r"torch\.nn\.functional", ("flambeau.overrides", "flambeau.nn", "flambeau")),
    (r"torch\.nn\.parameter", ("flambeau.nn", "flambeau.compat.small")),
    (r"torch\.nn\.parallel(\..*)?", ("flambeau.nn.parallel",)),
    (r"torch\.nn\.utils(\..*)?", ("flambeau.nn.utils", "flambeau.compat.small")),
    (r"torch\.nn", ("flambeau.compat.small",)),
    (r"torch\.optim(\..*)?", ("flambeau.optim", "flambeau.optim.optimizer", "flambeau.compat.small")),
    (r"torch\.utils\.data(\..*)?", ("flambeau.utils.data", "flambeau.compat.small")),
    (r"torch\.distributions(\..*)?", ("flambeau.distributions", "flambeau.distributions.distribution")),
    (r"torch\.autograd(\..*)?", ("flambeau.autograd",)),
    (r"torch\.cuda(\..*)?", ("flambeau.cuda", "flambeau.compat.small")),
    (r"torch\.amp(\..*)?", ("flambeau.amp",)),
    (r"torch\.distributed(\..*)?", ("flambeau.compat.small",)),
    (r"torch\.onnx(\..*)?", ("flambeau.compat.small",)),
    (r"torch\.serialization", ("flambeau.compat.types",)),
)  # fmt: skip


# Code that mentions a name: `torch.name`, `from torch import name`. Others (hasattr, getattr) ask whether it is there.
_MENTIONS = {opmap[n] for n in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM") if n in opmap}


def _is_asked_for() -> bool:
    """Whether a module's missing name is looked up by a question, such as hasattr(torch, name), and not by a mention."""
    frame = sys._getframe(2)
    if "importlib" in frame.f_code.co_filename:  # a from-import asks through the import system
        return False
    operation = frame.f_code.co_code[frame.f_lasti]
    # `try: from torch.x import name` with an `except` is a question too.
    return operation not in _MENTIONS or (operation == opmap["IMPORT_FROM"] and _is_guarded(frame))


class Facade(types.ModuleType):
    """A module under PyTorch's name: flambeau's names, and Missing for those it lacks."""

    def __init__(self, name: str, inner: types.ModuleType | None) -> None:
        super().__init__(name, inner.__doc__ if inner is not None else None)
        self.__dict__["_inner"] = inner
        self.__path__: list[str] = []
        if inner is not None and name != "torch":
            # For `vars(module)`. What is no function and no class may change, and is looked up.
            names = getattr(inner, "__all__", ()) if name == "torch.distributions" else ()
            loaded = {n: getattr(inner, n) for n in names}
            for key, found in {**inner.__dict__, **loaded}.items():
                if not key.startswith("__") and isinstance(found, (type, types.FunctionType)):
                    self.__dict__[key] = found

    def __getattr__(self, name: str) -> Any:
        special = name.startswith("__")
        if special and name not in ("__all__", "__version__", "__config__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        for module in _modules_of(self):
            found = getattr(module, name, _NOTHING)
            if isinstance(found, types.ModuleType) and found.__name__.startswith("flambeau."):
                break  # which has a name of PyTorch's, if it is one of its modules
            if found is not _NOTHING and not isinstance(found, __future__._Feature):
                return found
        if special and name != "__config__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        full = f"{self.__name__}.{name}"
        if _inner_module(full) is not None:
            return importlib.import_module(full)
        if _is_asked_for():
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return Missing(full)

    def __setattr__(self, name: str, value: Any) -> None:
        inner = self.__dict__.get("_inner")
        if isinstance(inner, Settings) and name in inner._kinds:
            setattr(inner, name, value)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *(n for module in _modules_of(self) for n in dir(module))})


_NOTHING = object()


def _modules_of(facade: Facade) -> Iterator[types.ModuleType]:
    """Where a facade's names are looked for: the counterpart, then the modules in ALSO."""
    if facade.__dict__["_inner"] is not None:
        yield facade.__dict__["_inner"]
    for pattern, names in ALSO:
        if re.fullmatch(pattern, facade.__name__):
            for name in names:
                module = _imported(name)
                if module is not None:
                    yield module
            return


def _imported(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise


def _inner_module(name: str) -> types.ModuleType | None:
    """flambeau's module for a name of PyTorch's; None where there is none."""
    if name in RENAMED:
        ours = RENAMED[name]
        return None if ours is None else _imported(ours)
    root, dot, rest = name.partition(".")
    if (found := _imported(ROOTS[root] + dot + rest)) is not None:
        return found
    parent, _, last = name.rpartition(".")
    if RENAMED.get(parent) is not None:
        inside = getattr(_inner_module(parent), last, None)
        # A module that a module of compat has made, such as backends.cudnn.
        if isinstance(inside, types.ModuleType) and inside.__name__ == name:
            return inside
    return None


def _is_no_module(name: str) -> bool:
    """Whether a dotted name is something else, such as torch.Tensor, which cannot be imported."""
    parent, _, last = name.rpartition(".")
    facade = sys.modules.get(parent)
    if not isinstance(facade, Facade) or last in facade.__dict__:
        return False
    found = [getattr(module, last, _NOTHING) for module in _modules_of(facade)]
    return (
        any(
            x is not _NOTHING and not isinstance(x, (types.ModuleType, __future__._Feature))
            for x in found
        )
        and _inner_module(name) is None
    )


def _answers_for(root: str, path: Any) -> bool:
    """Whether a package beside torch is answered: by flambeau's, or, where there is none at all, by stand-ins.

    Stand-ins are for code that cannot do without (`import torchvision` at the top of a file). Code that asks, by
    `try: import torchvision` or `find_spec("torchvision")`, gets the true answer.
    """
    if (
        isinstance(sys.modules.get(root), Facade)
        or importlib.util.find_spec(ROOTS[root]) is not None
    ):
        return True
    if importlib.machinery.PathFinder.find_spec(root) is not None:
        return False
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        if frame.f_code.co_name == "find_spec":
            return False
        frame = frame.f_back
    return frame is not None and not _is_guarded(frame)


def _is_guarded(frame: types.FrameType) -> bool:
    """Whether the statement that a frame is at stands in a `try` with an `except`."""
    instructions = list(dis.get_instructions(frame.f_code))
    places = {instruction.offset: i for i, instruction in enumerate(instructions)}
    for entry in dis._parse_exception_table(frame.f_code):  # type: ignore[attr-defined]
        if entry.start <= frame.f_lasti < entry.end:
            first = (
                places[entry.target] + 1
            )  # after PUSH_EXC_INFO; a `with` and a `finally` look different
            names = [i.opname for i in instructions[first : first + 8]]
            if names[:1] == ["POP_TOP"] or "CHECK_EXC_MATCH" in names:
                return True
    return False


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch` and everything below it; what flambeau lacks becomes an empty module whose names are Missing."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        root = name.partition(".")[0]
        if root not in ROOTS or name == "torch._six" or ("." in name and _is_no_module(name)):
            return None
        if root != "torch" and not _answers_for(root, path):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = Facade(spec.name, _inner_module(spec.name))
        if spec.name in VERSIONS:
            module.__dict__["__version__"] = VERSIONS[spec.name]
        if spec.name == "torch":
            module.__dict__["torch"] = module
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
        for name in [n for n, module in sys.modules.items() if isinstance(module, Facade)]:
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
        facade = Facade(module, _inner_module(module))
        if not any(hasattr(inner, attribute) for inner in _modules_of(facade)):
            out.append(name)
    return out
