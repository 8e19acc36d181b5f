"""Every script of examples/ runs to its end, on settings small enough for a test."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"

# The arguments that make a script small.
SETTINGS = {
    "compile_function.py": "--rows 100 --rounds 2",
    "digit_web.py": "--data {digits} --epochs 1 --out digit-web --runtime none",
    "distributed_ddp.py": "--epochs 3",
    "export_c.py": "--epochs 2 --test 8 --out digits-c",
    "export_onnx.py": "--out reader.onnx",
    "func_transforms.py": "",
    "unmodified_pytorch.py": "",
    "dcgan.py": "--data {digits} --epochs 1 --batch-size 20 --width 8 --out digits.png --curve c.svg",
    "minilm.py": "--model {minilm} --steps 2 --texts 40 --batch-size 4 --embeddings e.pt --curve c.svg",
    "mnist_trainer.py": "--data {digits} --epochs 2 --batch-size 20 --folder run",
    "neural_style.py": "--data {photo} --size 40 --channels 4 --steps 1 --out s.png --curve c.svg",
    "pole.py": "--updates 4 --carts 4 --curve c.svg",
    "siamese.py": "--data {digits} --steps 8 --curve c.svg",
    "super_resolution.py": "--data {photo} --size 48 --steps 6 --width 8 --out s.png --curve c.svg",
    "time_sequence.py": "--waves 6 --length 40 --future 20 --steps 1 --out w.svg --curve c.svg",
    "vae.py": "--data {digits} --epochs 2 --batch-size 20 --out v.png --curve c.svg",
    "char_gpt.py": "--steps 20 --width 32 --layers 1 --block-size 32 --length 20",
    "keyword_spotting.py": "--voices synthetic --speakers 5 --takes 1 --epochs 1 --save digits.pt",
}

# Written for PyTorch, and run as such.
UNMODIFIED = {"unmodified_pytorch.py"}

# Run elsewhere, on real images.
ELSEWHERE = {
    "demo.py": "nox -s demo",
    "mnist_cnn.py": "packages/vision/tests/test_example_mnist_cnn.py",
}

# Not an example: what several of them import.
SHARED = {"shared.py"}


def test_every_example_is_run() -> None:
    scripts = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py")}
    assert scripts == SETTINGS.keys() | ELSEWHERE.keys() | SHARED


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_example(name: str, tmp_path: pathlib.Path, stand_ins: dict[str, pathlib.Path]) -> None:
    through = ["-m", "flambeau.compat"] if name in UNMODIFIED else []
    arguments = SETTINGS[name].format(**stand_ins).split()
    done = subprocess.run(
        [sys.executable, "-W", "error", *through, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip(), "the example printed nothing"
    for argument in arguments:
        if argument.endswith((".svg", ".png", ".pt")):
            assert (tmp_path / argument).stat().st_size > 200
