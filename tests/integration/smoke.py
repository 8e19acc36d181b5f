"""What a user does first, run by the Python of an environment that holds the wheels and nothing else.

Started from an empty folder and in isolated mode (``python -I``), so that nothing of the repository is importable.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pathlib
import subprocess
import sys

PACKAGES = ("flambeau", "flambeau_vision", "flambeau_text", "flambeau_audio", "flambeau_serve")
OPTIONAL = (
    "cupy",
    "mpi4py",
    "onnx",
    "onnxruntime",
    "tensorboard",
    "torch",
    "PIL",
    "tokenizers",
    "soundfile",
)


def check_import_is_light() -> None:
    code = f"import sys, flambeau; print([name for name in {OPTIONAL!r} if name in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]", f"import flambeau also imported {said.stdout}"


def check_packages() -> None:
    prefix = pathlib.Path(sys.prefix)
    for name in PACKAGES:
        module = importlib.import_module(name)
        assert prefix in pathlib.Path(module.__file__).parents, (
            f"{name} came from {module.__file__}"
        )
        version = importlib.metadata.version(name.replace("_", "-"))
        assert module.__version__ == version, (
            f"{name} says {module.__version__}, its wheel {version}"
        )


def check_training() -> None:
    import flambeau
    from flambeau import nn

    flambeau.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = flambeau.optim.Adam(model.parameters(), lr=0.05)
    x = flambeau.randn(90, 4)
    target = (x[:, :3]).argmax(dim=1)
    first = None
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
    assert loss.item() < first / 4, f"the loss went from {first} to {loss.item()}"
    flambeau.save(model.state_dict(), "model.pt")
    again = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    again.load_state_dict(flambeau.load("model.pt"))
    assert flambeau.equal(again(x), model(x)), "a saved and loaded model answers differently"


def check_command() -> None:
    command = pathlib.Path(sys.executable).parent / "flambeau-serve"
    said = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "run" in said.stdout, said.stdout


if __name__ == "__main__":
    check_import_is_light()
    check_packages()
    check_training()
    check_command()
    print("smoke test passed:", ", ".join(PACKAGES))
