"""What a checkpoint asks for, found without loading it; and small functions of `torch.serialization`."""

from __future__ import annotations

import os
import pickletools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Any

from .._base.checks import check, fail
from .archive import ArchiveReader
from .globals import is_allowed
from .names import dtype_of_storage

_STRINGS = frozenset(["SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"])
_PUTS = frozenset(["PUT", "BINPUT", "LONG_BINPUT"])
_GETS = frozenset(["GET", "BINGET", "LONG_BINGET"])


class SourceChangeWarning(Warning):
    """For files with the source of their modules' classes, which `load` does not compare."""


class StorageType:
    """The class of a storage by its name alone, such as "FloatStorage".

    >>> StorageType("FloatStorage").dtype
    flambeau.float32
    """

    def __init__(self, name: str) -> None:
        if name not in dtype_of_storage:
            fail(f"pickle storage type {name!r} is not recognized", KeyError)
        self._dtype = dtype_of_storage[name]

    @property
    def dtype(self) -> Any:
        """What its bytes are read as."""
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike[str] | IO[bytes]) -> list[str]:
    """The classes and functions that a file asks for and that `weights_only=True` does not allow.

    The file is taken apart, not run. ValueError for a file that is not in the zip format.

    >>> import io, fractions, flambeau
    >>> file = io.BytesIO()
    >>> flambeau.save(fractions.Fraction(1, 2), file)
    >>> get_unsafe_globals_in_checkpoint(file)
    ['fractions.Fraction']
    """
    opened: Any = open(f, "rb") if isinstance(f, (str, os.PathLike)) else nullcontext(f)  # noqa: SIM115
    with opened as stream:
        stream.seek(0)
        check(
            stream.read(4) == b"PK\x03\x04",
            lambda: "Expected input to be a checkpoint returned by torch.save",
            ValueError,
        )
        archive = ArchiveReader(stream)
        check(
            "constants.pkl" not in archive,
            lambda: (
                "Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint"
            ),
            ValueError,
        )
        program = archive.read("data.pkl").tobytes()
    return sorted(name for name in _globals(program) if not is_allowed(name))


def _globals(program: bytes) -> set[str]:
    """What a pickle names: `module name` in one instruction, or the two strings before it."""
    found: set[str] = set()
    strings: list[Any] = []  # those pushed lately; None for what was put together otherwise
    memo: dict[int, Any] = {}
    value: Any
    try:
        for code, value, _ in pickletools.genops(program):
            if code.name in ("GLOBAL", "INST"):
                found.add(".".join(str(value).split(" ", 1)))
            elif code.name in _STRINGS:
                strings.append(value)
            elif code.name in _GETS:
                strings.append(memo.get(int(value)))
            elif code.name in _PUTS:
                memo[int(value)] = strings[-1] if strings else None
            elif code.name == "MEMOIZE":
                memo[len(memo)] = strings[-1] if strings else None
            elif code.name == "STACK_GLOBAL":
                found.add(".".join(str(part) for part in strings[-2:]))
            elif code.name not in ("PROTO", "FRAME"):
                strings.append(None)
            del strings[:-2]
    except ValueError as error:
        fail(f"get_unsafe_globals_in_checkpoint: the pickle in this file is damaged: {error}")
    return {name.replace("__builtin__.", "builtins.") for name in found}


def normalize_storage_type(storage_type: type) -> Any:
    """The class of storages of this name in `flambeau`."""
    import flambeau

    return getattr(flambeau, storage_type.__name__)


def storage_to_tensor_type(storage: Any) -> Any:
    """The class of tensors that goes with a storage: `FloatTensor` with `FloatStorage`."""
    import flambeau

    return getattr(flambeau, type(storage).__name__.replace("Storage", "Tensor"))


def check_module_version_greater_or_equal(
    module: Any, req_version_tuple: tuple[Any, ...], error_if_malformed: bool = True
) -> bool:
    """Whether `module.__version__` is at least `req_version_tuple`.

    A version that cannot be compared is a RuntimeError, or a warning and True without `error_if_malformed`.
    """
    parts = module.__version__.split(".")
    try:
        version = tuple(type(wanted)(parts[i]) for i, wanted in enumerate(req_version_tuple))
        return version >= req_version_tuple
    except (ValueError, IndexError, TypeError) as error:
        text = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be "
            f"compared with tuple {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(text) from error
        warnings.warn(
            text + ", but continuing assuming that requirement is met", UserWarning, stacklevel=2
        )
        return True


@contextmanager
def mkdtemp() -> Iterator[str]:
    """A folder for the length of a `with` block."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        yield folder
