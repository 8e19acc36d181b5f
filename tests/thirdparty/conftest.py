"""Where the two sides run. `nox -s thirdparty` sets both up.

FLAMBEAU_REFERENCE is a folder that holds PyTorch and nothing else of interest (`pip install --target`): the reference
side has it on its path, flambeau's side does not, so that there is no PyTorch to lean on.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import flambeau

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))  # for agreement.py: pytest imports by files here
SOURCES = [pathlib.Path(flambeau.__file__).parents[1]]


def _run(arguments: list[str], path: list[pathlib.Path | str]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    environment |= {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, "\n".join(done.stderr.splitlines()[-25:])


@pytest.fixture(scope="session")
def torch_folder() -> str:
    folder = os.environ.get("FLAMBEAU_REFERENCE", "")
    if not folder:
        pytest.skip("FLAMBEAU_REFERENCE names no folder with PyTorch; run nox -s thirdparty")
    return folder


@pytest.fixture
def both_sides(tmp_path, torch_folder):
    """`both_sides(case)`: what flambeau and what PyTorch wrote down, the first with the second's weights and inputs."""

    def run(case: pathlib.Path) -> tuple[object, object]:
        theirs, ours = tmp_path / "theirs.pt", tmp_path / "ours.pt"
        cases, extra = case.parent, HERE / "reference" / case.stem
        path: list[pathlib.Path | str] = [cases, extra, torch_folder]
        if (extra / "sitecustomize.py").exists():  # which lets torchvision load
            path.append(f"{torch_folder}-vision")
        _run([str(case), "--out", str(theirs)], path)
        _run(
            ["-m", "flambeau.compat", str(case), "--out", str(ours), "--given", str(theirs)],
            [cases, *SOURCES],
        )
        return tuple(flambeau.load(file)["results"] for file in (ours, theirs))

    return run
