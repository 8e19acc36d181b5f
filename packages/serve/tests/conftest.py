"""A model small enough to check by hand, a server on a real socket, and the command as a real process."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from flambeau_serve import Model, Server, TensorSpec, with_labels
from flambeau_serve.images import reader_for

SOURCE = Path(__file__).parents[1] / "src"

# What the processes of these tests serve; the command finds it in their current folder.
SERVED = """
import os, time
import numpy as np
from flambeau_serve import Model, TensorSpec

def predict(arrays):
    x = arrays["x"]
    if x[0] == -1:
        os._exit(3)
    time.sleep(float(x[0]))
    return {"y": x * 2, "pid": np.array([os.getpid()])}

slow = Model(predict, inputs=[TensorSpec("x", "FP32", (1,))])
text = "not a model"

class Net:
    pass

def broken():
    raise ZeroDivisionError("in the user's own code")
"""


def infer_body(*values: float, name: str = "x", datatype: str = "FP32") -> dict[str, object]:
    tensor = {"name": name, "datatype": datatype, "shape": [len(values)], "data": list(values)}
    return {"inputs": [tensor]}


@pytest.fixture
def body() -> Callable[..., dict[str, object]]:
    """Makes an infer request with one vector."""
    return infer_body


@pytest.fixture
def digits() -> Model:
    """A picture model: the answer is the quarter (0 to 3, by rows) that is brightest."""
    spec = TensorSpec("image", "FP32", (-1, 1, 28, 28))

    def predict(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        image = arrays["image"].reshape(-1, 2, 14, 2, 14)
        return {"logits": image.mean((2, 4)).reshape(-1, 4) * np.float32(10)}

    model = Model(predict, name="digits", inputs=[spec], image=reader_for((spec,), None))
    model.warm_up()
    return with_labels(model, ["north-west", "north-east", "south-west", "south-east"])


@pytest.fixture
def plain() -> Model:
    """y = x + 1 for float vectors of any length."""
    return Model(
        lambda arrays: {"y": arrays["x"] + 1},
        name="plain",
        inputs=[TensorSpec("x", "FP32", (-1,))],
        outputs=[TensorSpec("y", "FP32", (-1,))],
    )


@pytest.fixture
def serve() -> Iterator[Callable[..., httpx.Client]]:
    """Serves a model until the test ends, and gives a client of it."""
    with ExitStack() as stack:

        def start(model: object, **options: object) -> httpx.Client:
            server = stack.enter_context(Server(model, **options))
            return stack.enter_context(httpx.Client(base_url=server.url, timeout=20))

        yield start


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Makes the bytes of a 28 × 28 picture whose south-east quarter is bright."""

    def make(kind: str = "PNG", size: int = 28, mode: str = "L") -> bytes:
        pixels = np.zeros((size, size), dtype=np.uint8)
        pixels[size // 2 :, size // 2 :] = 255
        file = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(file, kind)
        return file.getvalue()

    return make


class Command:
    """`flambeau-serve` as a process, from its announcement to its exit code."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flambeau_serve", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a group of its own, which a test may send Ctrl-C
        )
        self.log = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line

    def url(self) -> str:
        """The URL it announces once it answers."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"announced {line!r}; log:\n{self.log}"
        return found[0]

    def wait(self) -> int:
        code = self.process.wait(20)
        self._reader.join(20)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts `flambeau-serve` in a folder with `served.py`; whatever still runs at the end is killed."""
    (tmp_path / "served.py").write_text(SERVED)
    with ExitStack() as stack:

        def start(*arguments: str) -> Command:
            started = Command(tmp_path, *arguments)
            stack.callback(started.close)
            return started

        yield start
