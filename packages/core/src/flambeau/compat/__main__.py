"""`python -m flambeau.compat script.py [args]` and `-m module [args]`: a PyTorch program run on flambeau."""

from __future__ import annotations

import os
import runpy
import sys

from . import install

USAGE = "usage: python -m flambeau.compat (script.py | -m module) [args ...]"


def main(arguments: list[str]) -> int:
    """Runs the program; 2 with one line where there is none to run."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    install()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            print(f"{USAGE}\n-m needs the name of a module", file=sys.stderr)
            return 2
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = arguments[0]
    if not os.path.exists(script):
        print(f"flambeau.compat: cannot open {script!r}: no such file", file=sys.stderr)
        return 2
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
