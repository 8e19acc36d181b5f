"""Checks of the C kernels that take another compiler, another processor or a sanitizer: ``nox -s kernels``.

    python tools/check_kernels.py x86-64        the kernel tests with registers of 16 bytes; haswell: of 32
    python tools/check_kernels.py clang
    python tools/check_kernels.py addresses     under AddressSanitizer and UndefinedBehaviorSanitizer
    python tools/check_kernels.py threads       the pool, the memory and all kernels under ThreadSanitizer
    python tools/check_kernels.py narrow        recorded calls with registers of 16 bytes, under the sanitizers of memory
    python tools/check_kernels.py arm64         recorded calls, made again by an arm64 program under qemu-user

What follows goes to pytest: a file stands in for the folder of the kernel tests, `-k pool` chooses among them.
Compiled kernels are kept in $FLAMBEAU_CHECKS, by default build/kernels.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

from kernels.building import program

ROOT = pathlib.Path(__file__).parent.parent.resolve()
KEPT = pathlib.Path(os.environ.get("FLAMBEAU_CHECKS", ROOT / "build" / "kernels"))
HEADERS = ROOT / "packages/core/src/flambeau/backends/cpu/headers"
TESTS = "packages/core/tests/backends"
# About the search for a compiler and its cache, and about what one compiler makes of a loop.
SEARCH = [
    f"--ignore={TESTS}/{name}.py" for name in ("test_cache_and_compiler", "test_cache_in_use")
]
ELSEWHERE = [*SEARCH, "-k", "not vectorises"]
# Three times two inputs of each operator are enough of generated loops to record.
# A recorder sees no calls whose layouts are compared in C.
RECORDED = ["--ignore", f"{TESTS}/test_math_header.py", "--ignore", f"{TESTS}/test_calls_again.py", "-k", "not every_layout and not special_values and not vectorises"]  # fmt: skip
OWN_MEMORY = ["--ignore", f"{TESTS}/test_memory.py"]  # about the allocator that is left out here
SANITIZED = (
    "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize=float-divide-by-zero",
    "-fno-sanitize-recover=undefined",
)  # fmt: skip


def compiler(*flags: str, command: str = "gcc") -> str:
    """$CC for kernels made with these flags behind the library's own."""
    return " ".join([str(ROOT / "tools/cc_with.sh"), command, *flags, "--"])


def run(command: list, **environment: str) -> int:
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, check=False
    ).returncode


def pytest(name: str, given: list[str], options: list[str], **environment: str) -> int:
    """The kernel tests with a cache of their own. Workers compile side by side; more than two need much memory."""
    cache = KEPT / name
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {"FLAMBEAU_CACHE": str(cache), "OPENBLAS_NUM_THREADS": "1"} | environment
    files = [g for g in given if (ROOT / g.partition("::")[0]).exists()]
    where = [] if files else [TESTS]
    return run([sys.executable, "-m", "pytest", "-q", *where, *options, *given], **environment)


def with_tools() -> str:
    """$PYTHONPATH with the plugins of `tools/kernels`."""
    return os.pathsep.join(filter(None, [str(ROOT / "tools"), os.environ.get("PYTHONPATH")]))


def other_compiler(name: str, given: list[str]) -> int:
    """The tests with kernels for another processor, or by clang."""
    made = "clang" if name == "clang" else compiler(f"-march={name}")
    return pytest(name, given, ["-n", "2", *ELSEWHERE], CC=made)


def addresses(name: str, given: list[str]) -> int:
    """The tests under sanitizers, with NumPy's own memory, whose bounds they know; reports go to stderr as it is."""
    found = [
        subprocess.check_output(["gcc", f"-print-file-name={lib}"], text=True).strip()
        for lib in ("libasan.so", "libubsan.so", "libstdc++.so.6")
    ]
    logs = KEPT / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    failed = pytest(
        name, given, ["-n", "2", "-p", "kernels.patience", "-p", "no:cacheprovider", "--capture=sys", *ELSEWHERE, *OWN_MEMORY],
        CC=compiler(*SANITIZED), LD_PRELOAD=" ".join(found), FLAMBEAU_MEMORY="numpy", PYTHONPATH=with_tools(),
        ASAN_OPTIONS=f"detect_leaks=0:exitcode=99:allocator_may_return_null=1:log_path={logs}/address",
        UBSAN_OPTIONS=f"print_stacktrace=1:exitcode=99:log_path={logs}/undefined",
    )  # fmt: skip
    reports = sorted(logs.iterdir())
    for report in reports:
        print(report.read_text(errors="replace")[:4000])
    return failed or len(reports)


def recorded(given: list[str], **environment: str) -> pathlib.Path:
    """The folder of the calls that the tests make, on this machine."""
    folder = KEPT / "record"
    shutil.rmtree(folder, ignore_errors=True)
    failed = pytest(
        "native", given, ["-p", "kernels.recording", "-p", "no:cacheprovider", *SEARCH, *RECORDED],
        PYTHONPATH=with_tools(), KERNEL_RECORD=str(folder), FLAMBEAU_NUM_THREADS="3", **environment,
    )  # fmt: skip
    if failed:
        raise SystemExit("the tests fail on this machine as it is")
    if not (folder / "one").exists():
        raise SystemExit("these tests make no calls that can be made again")
    return folder / "one"


def threads(name: str, given: list[str]) -> int:
    """No Python here, which ThreadSanitizer does not know: C programs that work from many threads."""
    folder = KEPT / name
    folder.mkdir(parents=True, exist_ok=True)
    sanitizer = ["gcc", "-O1", "-g", "-fsanitize=thread"]
    races, sources = folder / "races", [HEADERS / "fb_pool.c", HEADERS / "fb_memory.c"]
    command = [
        *sanitizer,
        "-std=gnu11",
        "-pthread",
        "-o",
        races,
        ROOT / "tools/kernels/races.c",
        *sources,
    ]
    failed = run(command) or run(
        [races], TSAN_OPTIONS="die_after_fork=0:exitcode=66:allocator_may_return_null=1"
    )
    record = recorded(given)
    # As the kernels were compiled that were recorded: at -O1 what is left where terms cancel is another number.
    optimized = ["gcc", "-O3", "-ffp-contract=fast", *sanitizer[2:], "-march=native"]
    made = program(record, folder, optimized, ["-fsanitize=thread"])
    return failed or run([made, record / "calls.bin", "3"], TSAN_OPTIONS="exitcode=66")


def narrow(name: str, given: list[str]) -> int:
    """What arm64 reads and writes, as far as x86-64 can tell: the twins that stand in for masks and wide registers.

    Numbers are compared by the other checks: here nothing is contracted, so that what is left where terms cancel is another.
    """
    record = recorded(given, KERNEL_RECORD_PORTABLE="1")
    sanitized = ["gcc", *SANITIZED, "-march=x86-64"]
    made = program(record, KEPT / name, sanitized, ["-fsanitize=address,undefined"])
    return run([made, record / "calls.bin", "1", "1e5"])


def arm64(name: str, given: list[str]) -> int:
    """The recorded calls on arm64: with 16-byte registers, another compiler back end and a weaker memory order."""
    record = recorded(given, KERNEL_RECORD_PORTABLE="1")
    prefix = "aarch64-linux-gnu-"
    made = program(record, KEPT / name, [f"{prefix}gcc", "-O3"], ["-static"], prefix)
    return run(["qemu-aarch64", made, record / "calls.bin"])


CHECKS = {
    "x86-64": other_compiler, "haswell": other_compiler, "clang": other_compiler,
    "addresses": addresses, "threads": threads, "narrow": narrow, "arm64": arm64,
}  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in CHECKS:
        raise SystemExit(f"usage: check_kernels.py {'|'.join(CHECKS)} [pytest's arguments]")
    raise SystemExit(CHECKS[sys.argv[1]](sys.argv[1], sys.argv[2:]))
