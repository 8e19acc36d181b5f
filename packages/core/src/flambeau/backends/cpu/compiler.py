"""The system's C compiler: found once, asked once what it is, given text to turn into a shared library.

A machine without one, with one that fails or one that hangs is an ordinary machine: `find` says why there is none, and
everything keeps running on NumPy. The reason is kept, so that a broken compiler costs its timeout once per process.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..._base.forks import lock_over_forks
from ...runtime.claims import Declined

VERSION_SECONDS = 10.0
COMPILE_SECONDS = 120.0

# Rounding is NumPy's (no contraction, no reordering); what is given up is errno and floating-point traps.
FLAGS = (
    "-O3", "-fPIC", "-shared", "-std=gnu11", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off",
    "-fwrapv", "-fopenmp-simd",
)  # fmt: skip
NATIVE = ("-march=native",)

# Held while a compiler is started: a child would keep the pipe open that says that all was said.
_starting = lock_over_forks()


class CompileError(Declined):
    """The compiler did not make a library; the text has its command and the first lines of what it said."""


class Compiler:
    """A compiler that works: its command, and the first line of its `--version`."""

    def __init__(self, command: list[str], version: str) -> None:
        self.command, self.version = command, version

    @property
    def flags(self) -> tuple[str, ...]:
        return (*FLAGS, *NATIVE)

    @property
    def identity(self) -> str:
        """What distinguishes this compiler's output from another's."""
        return " ".join([*self.command, self.version, *self.flags])

    def build(self, source: Path, library: Path, more: tuple[str, ...] = ()) -> None:
        """Compiles `source` into the shared library `library`; CompileError where that fails or takes too long."""
        _run(
            [*self.command, *self.flags, *more, "-o", str(library), str(source), "-lm"],
            COMPILE_SECONDS,
            # Where it writes between its passes: /tmp may be full, and a killed compiler leaves its files behind.
            TMPDIR=str(library.parent),
        )
        if not library.exists():
            raise CompileError(f"{' '.join(self.command)} ended well but wrote no library")


def _run(command: list[str], seconds: float, **environment: str) -> str:
    """The output of a command, whose process group is ended when it takes too long (compilers start children)."""
    import signal
    import subprocess

    try:
        with _starting:
            process = subprocess.Popen(  # noqa: S603  (the user's own compiler, no shell)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                env={**os.environ, **environment},
            )
    except OSError as error:
        raise CompileError(f"{command[0]} does not start: {error.strerror}") from None
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise CompileError(f"{command[0]} gave no answer within {seconds:g} seconds") from None
        finally:
            if process.returncode is None:  # too long, or Ctrl-C, which it does not hear
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    if process.returncode:
        told = " | ".join(output.strip().splitlines()[:4]) or "it said nothing"
        raise CompileError(f"{command[0]} failed with exit status {process.returncode}: {told}")
    return output


def find() -> Compiler:
    """The compiler that $CC names, else cc, gcc or clang; CompileError saying why there is none.

    A $CC that does not work is not replaced by another: who set it wants that one.
    """
    named = os.environ.get("CC", "").strip()
    if named:
        import shlex

        return _ask(shlex.split(named))
    import shutil

    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return _ask([path])
    raise CompileError("no C compiler found: looked for $CC, cc, gcc and clang on PATH")


def _ask(command: list[str]) -> Compiler:
    lines = _run([*command, "--version"], VERSION_SECONDS).strip().splitlines()
    return Compiler(command, lines[0] if lines else "unknown version")


def cpu() -> str:
    """What `-march=native` reads: the processor's model and features, as text."""
    import platform

    words = [platform.machine(), platform.system()]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = file.read(1 << 14).split("\n\n")[0]
    except OSError:
        return " ".join([*words, platform.processor()])
    wanted = (
        "vendor_id",
        "cpu family",
        "model",
        "flags",
        "Features",
        "CPU part",
        "CPU implementer",
    )
    words += [line for line in first.splitlines() if line.split(":")[0].strip() in wanted]
    return " ".join(words)
