"""A wheel must hold every file of its package's source: a header left out is only missed where nobody looks."""

from __future__ import annotations

import pathlib
import sys
import zipfile

PACKAGES = pathlib.Path(__file__).parents[2] / "packages"


def source_files(package: pathlib.Path) -> set[str]:
    source = package / "src"
    return {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def check(wheel: pathlib.Path) -> None:
    distribution = wheel.name.split("-")[0].replace("_", "-")
    package = PACKAGES / (
        "core" if distribution == "flambeau" else distribution.removeprefix("flambeau-")
    )
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    expected = source_files(package)
    missing = expected - inside
    extra = {name for name in inside - expected if ".dist-info/" not in name}
    assert not missing, f"{wheel.name} lacks {sorted(missing)}"
    assert not extra, f"{wheel.name} holds what is not in the source: {sorted(extra)}"
    assert f"{distribution.replace('-', '_')}/py.typed" in inside, f"{wheel.name} has no py.typed"
    assert any(name.endswith("/licenses/LICENSE") for name in inside), (
        f"{wheel.name} has no LICENSE"
    )


if __name__ == "__main__":
    assert len(sys.argv) > 1, "no wheels named"
    for argument in sys.argv[1:]:
        check(pathlib.Path(argument))
    print(f"{len(sys.argv) - 1} wheels hold all files of their packages")
