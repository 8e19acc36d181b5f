"""From nothing but Python 3.11: make .venv with nox and uv in it, then run a session of noxfile.py.

    python3 run.py demo              train, save, export and serve a model, and ask it
    python3 run.py test              every check that needs neither PyTorch nor a GPU
    python3 run.py nox ARGUMENTS     any other session (python3 run.py nox --list)

It must work as root or not, where pip refuses to install outside a virtual environment (PEP 668), and where Debian's
python3 comes without ensurepip; where it cannot, it says what to install. It writes only below its own folder.
It is written for old Pythons too (no f-strings, no annotations), so that these get a sentence and not a SyntaxError.
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
PYTHON = os.path.join(BIN, "python")
TOOLS = ["nox[uv]>=2025.11.12", "uv>=0.9"]
READY = os.path.join(VENV, "flambeau-tools.txt")
OLDEST = (3, 11)

# What the caller's shell may hold and what would lead an environment made here astray.
FOREIGN = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
)

COMMANDS = {
    "demo": ["-s", "demo"],
    "test": [],
    "nox": [],
}


class SetupError(Exception):
    """Something the person at the keyboard can mend; its text says how."""


def say(text):
    sys.stderr.write("flambeau: %s\n" % text)
    sys.stderr.flush()


def clean_environment():
    environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    # uv would otherwise fetch a Python of its own from a place that may not be reachable.
    environment.setdefault("UV_PYTHON_DOWNLOADS", "never")
    # As pip does: behind a company's proxy only the system's own certificates are the right ones.
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    home = os.path.expanduser("~")
    if not os.access(home, os.W_OK):
        environment.setdefault("UV_CACHE_DIR", os.path.join(ROOT, ".cache", "uv"))
        environment.setdefault("PIP_CACHE_DIR", os.path.join(ROOT, ".cache", "pip"))
    return environment


def version_of(python):
    try:
        text = subprocess.check_output(
            [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            stderr=subprocess.DEVNULL,
        )
        return tuple(int(part) for part in text.decode().split("."))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def find_python():
    """This Python, or a newer one beside it."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for name in ("python3.13", "python3.12", "python3.11"):
        found = getattr(shutil, "which", lambda name: None)(name)  # Python 2 has none
        if found and (version_of(found) or (0, 0)) >= OLDEST:
            return found
    raise SetupError(
        "Python %d.%d is too old, and no newer one is on the PATH. Install Python 3.11, 3.12 or 3.13 and run this "
        "file with it: python3.11 run.py" % sys.version_info[:2]
    )


def step(title, command, environment):
    """Runs a quiet command; shows what it said only when it fails."""
    say(title)
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise SetupError("failed: %s" % " ".join(command))


def has_module(python, name):
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec(%r) is None)" % name
    return subprocess.call([python, "-c", probe], stderr=subprocess.DEVNULL) == 0


def make_environment(python, environment):
    """.venv with the tools in it, by the first of four ways that this machine offers."""
    shutil.rmtree(VENV, ignore_errors=True)
    uv = shutil.which("uv")
    if has_module(python, "ensurepip"):
        step("making .venv", [python, "-m", "venv", VENV], environment)
        install = [PYTHON, "-m", "pip", "install", "--quiet"]
    elif uv:
        step("making .venv with uv", [uv, "venv", "--quiet", "--python", python, VENV], environment)
        install = [uv, "pip", "install", "--quiet", "--python", PYTHON]
    elif has_module(python, "pip"):
        step("making .venv", [python, "-m", "venv", "--without-pip", VENV], environment)
        install = [python, "-m", "pip", "--python", PYTHON, "install", "--quiet"]
    elif has_module(python, "virtualenv"):
        step(
            "making .venv with virtualenv",
            [python, "-m", "virtualenv", "--quiet", VENV],
            environment,
        )
        install = [PYTHON, "-m", "pip", "install", "--quiet"]
    else:
        raise SetupError(
            "%s can make no virtual environment: it has neither ensurepip nor pip. On Debian and Ubuntu: "
            "apt install python3-venv" % python
        )
    step("installing nox and uv in it (the first time only)", install + TOOLS, environment)
    with open(READY, "w") as file:
        file.write("\n".join(TOOLS))


def is_ready():
    """Whether .venv holds these tools and still runs (its Python may have been removed or replaced since)."""
    if not os.path.exists(READY) or version_of(PYTHON) is None:
        return False
    with open(READY) as file:
        return file.read() == "\n".join(TOOLS)


def main(arguments):
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(__doc__)
        return 2
    environment = clean_environment()
    try:
        python = find_python()
        if not os.access(ROOT, os.W_OK):
            raise SetupError(
                "%s is not writable for you; clone the repository into a folder of your own" % ROOT
            )
        if not is_ready():
            make_environment(python, environment)
    except SetupError as problem:
        say(str(problem))
        return 1
    environment["PATH"] = BIN + os.pathsep + environment.get("PATH", os.defpath)
    command, rest = arguments[0], arguments[1:]
    nox = [PYTHON, "-m", "nox", "--noxfile", os.path.join(ROOT, "noxfile.py")]
    try:
        return subprocess.call(nox + COMMANDS[command] + rest, env=environment, cwd=ROOT)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
