"""What a captured call did that its program would not do again: changes of Python objects, output, files, clocks and dice.

Writes into tensors, gradients, optimizers, schedulers and flambeau's own random numbers are parts of programs. All else is looked for
in two ways: the objects that the function reaches are compared before and after the call (`snapshot`), and calls of what answers
otherwise each time, or leaves something behind, are noticed as they are made (a profiler, during this call only).
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Set
from contextlib import nullcontext
from typing import Any

from numpy import ndarray

from .descriptions import MOST_BYTES
from .guards import MOST_CLOSURES, roots_of
from .purity import OURS, PYTHON, USERS, watched_by, whose
from .snapshot import Snapshot

_SPEAKING = frozenset(("print", "input", "open", "exec", "eval", "__import__", "breakpoint"))
_CLOCKS = frozenset(("now", "utcnow", "today"))
_OUTSIDE_C = ("time", "posix", "nt", "_io", "_socket", "select", "_queue", "_random", "_thread", "_uuid")  # fmt: skip
_OUTSIDE = frozenset((
    "random", "secrets", "os", "io", "socket", "queue", "subprocess", "tempfile", "pathlib", "uuid", "shutil", "urllib.request",
    "http.client", "sqlite3", "multiprocessing.queues", "multiprocessing.connection", "_pyio",
))  # fmt: skip
_KERNELS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "backends", "")
_COMPILER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "compiler.py")
_COPYING = ("tensor", "as_tensor", "asarray")


def _is_called_back(frame: types.FrameType | None) -> bool:
    """Whether this is called by an import, by what compiles kernels, or for a result that the user calls constant."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(("<frozen importlib", _KERNELS)):
            return True
        if code.co_name == "constant" and code.co_filename == _COMPILER:
            return True
        frame = frame.f_back
    return False


class Effects:
    """What a call that is captured does; `reason` says afterwards what a program would leave out."""

    def __init__(self, function: Any, followed: Set[types.CodeType] = frozenset()) -> None:
        self.followed = followed  # code of which it is known what it looks at
        self.snapshot = Snapshot(roots_of(function))
        self.said: str | None = None
        self.met: list[types.CodeType] = []  # which stay, so that their numbers are theirs
        self.ran: dict[
            types.CodeType, dict[str, Any]
        ] = {}  # other code of the user's, with its globals
        self.held: dict[
            types.CodeType, set[tuple]
        ] = {}  # and what its closures held, by place in memory

    def around(self) -> Any:
        """A context in which calls are noticed; where a profiler is at work, only changes of objects are."""
        return nullcontext() if sys.getprofile() is not None else watched_by(self._noticer())

    def reason(self) -> str | None:
        """Why the call is no program; None where it does nothing besides computing."""
        if self.said is not None:
            return self.said
        path = self.snapshot.changed()
        return None if path is None else f"changing {path}"

    def _noticer(self) -> Any:
        """The profiler. Nearly all that it sees happens in flambeau's own functions, of which it knows the numbers."""
        quiet: set[int] = set()
        kinds: dict[int, str] = {}

        def noticed(frame: types.FrameType, event: str, function: Any) -> None:
            number = id(frame.f_code)
            if number in quiet:
                return
            kind = kinds.get(number)
            if kind is None:
                code = frame.f_code
                kind = kinds[number] = whose(code.co_filename)
                self.met.append(code)
                if kind is USERS and code not in self.followed and not _is_called_back(frame):
                    self.ran[code] = frame.f_globals
                if kind is OURS and code.co_name not in _COPYING:
                    quiet.add(number)
                    return
            if event == "call":
                if kind is USERS:
                    self._enters_users(frame)
                elif kind is PYTHON:
                    self._enters_python(frame)
                elif kind is OURS:
                    self._copies(frame)
            elif event == "c_call" and kind is USERS:
                self._calls_c(frame, function)

        return noticed

    def _say(self, what: str, frame: types.FrameType) -> None:
        at: types.FrameType | None = frame
        while at is not None and whose(at.f_code.co_filename) is not USERS:
            at = at.f_back
        if self.said is None and not _is_called_back(at):
            self.said = what if at is None else f"{what} ({at.f_code.co_filename}:{at.f_lineno})"

    def _calls_c(self, frame: types.FrameType, function: Any) -> None:
        """A call of a function in C by the user's code."""
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "?")
        module = str(getattr(function, "__module__", "") or "")
        if isinstance(owner, types.ModuleType):
            if (owner.__name__ == "builtins" and name in _SPEAKING) or owner.__name__ in _OUTSIDE_C:
                self._say(f"a call of {name}", frame)
        elif owner is not None:
            kind = owner if isinstance(owner, type) else type(owner)
            dice = kind.__module__.startswith("numpy.random") or kind.__module__ in _OUTSIDE_C
            if dice or (kind.__module__ == "datetime" and name in _CLOCKS):
                self._say(f"a call of {kind.__name__}.{name}", frame)
        elif module.startswith("numpy.random") or module in _OUTSIDE_C:
            self._say(f"a call of {name}", frame)

    def _enters_users(self, frame: types.FrameType) -> None:
        code = frame.f_code
        if code.co_freevars and code in self.ran:
            held = self.held.setdefault(code, set())
            if len(held) < MOST_CLOSURES:
                held.add(tuple([id(frame.f_locals.get(name)) for name in code.co_freevars]))

    def _enters_python(self, frame: types.FrameType) -> None:
        """A function of Python's own library, called by the user's code, perhaps through others of Python's."""
        name = str(frame.f_globals.get("__name__", ""))
        logs = name == "logging" and frame.f_code.co_name == "_log"
        if name not in _OUTSIDE and not logs and "npyio" not in name:
            return
        back = frame.f_back
        while back is not None and whose(back.f_code.co_filename) is PYTHON:
            back = back.f_back
        if back is not None and whose(back.f_code.co_filename) is USERS:
            self._say(f"a call of {name}.{frame.f_code.co_name.lstrip('_')}", back)

    def _copies(self, frame: types.FrameType) -> None:
        """A tensor made of a NumPy array whose content guards do not look into."""
        back = frame.f_back
        if back is None or whose(back.f_code.co_filename) is not USERS:
            return
        for x in frame.f_locals.values():
            if isinstance(x, ndarray) and x.nbytes > MOST_BYTES:
                self._say(f"a copy of a NumPy array of {x.nbytes:,} bytes", frame)
