"""`python -m flambeau.backends.cpu build [--out FOLDER]`: compiles eager mode's kernels ahead of time.

Into the user's cache, or into a folder that an image carries and that $FLAMBEAU_KERNELS names where it runs; there no
compiler is needed. Libraries are for the processor they were built on: elsewhere they are left alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status is 1 where there is no compiler that works."""
    parser = argparse.ArgumentParser(prog="python -m flambeau.backends.cpu")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="compile eager mode's kernels ahead of time")
    build.add_argument(
        "--out", type=Path, help="folder for $FLAMBEAU_KERNELS; the user's cache unless given"
    )
    options = parser.parse_args(arguments)

    from ... import ops  # noqa: F401  (fills the registry of operators)
    from . import library, providers

    try:
        sources = providers.sources()
        for _, source, flags in sources:
            _build(source, flags, options.out)
    except (library.CompileError, OSError) as error:
        print(f"no kernels built: {error}", file=sys.stderr)  # noqa: T201
        return 1
    where = options.out or library.describe().get("cache")
    print(f"{len(sources)} kernels in {where}")  # noqa: T201
    return 0


def _build(source: str, flags: tuple[str, ...], out: Path | None) -> None:
    from . import cache, library

    if out is None:
        library.load(source, flags)
        return
    out.mkdir(parents=True, exist_ok=True)
    place = out / library.ahead_name(source, flags)
    if not cache.is_whole(place):
        library.build(source, place, flags)


if __name__ == "__main__":
    raise SystemExit(main())
