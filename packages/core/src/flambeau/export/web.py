"""`export.web`: a model as a folder that a browser runs: ONNX, onnxruntime-web, a page and a module of JavaScript.

onnxruntime-web is no part of this package: npm fetches the one version named here, whose checksum is compared.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from .._base import pytree
from ..autograd.modes import no_grad
from ..onnx import export
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .capture import evaluating, example_args

VERSION = "1.30.0"
# As npm states it of the archive of this version.
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
PAGE = ("index.html", "model.mjs")
# The typed arrays that JavaScript has for them are in page/model.mjs.
DTYPES = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
SECONDS = 300.0  # for npm, which loads 33 MB the first time


class Site:
    """What `web` wrote: `path`, `files`, and `inputs` and `outputs`, shapes and dtypes by name."""

    def __init__(self, path: Path, about: dict[str, Any], files: dict[str, Path]) -> None:
        self.path, self.files, self.name = path, files, about["name"]
        self.inputs = {t["name"]: (tuple(t["shape"]), t["dtype"]) for t in about["inputs"]}
        self.outputs = {t["name"]: (tuple(t["shape"]), t["dtype"]) for t in about["outputs"]}

    def __repr__(self) -> str:
        size = sum(file.stat().st_size for file in self.files.values())
        return (
            f"<page of {self.name} in {str(self.path)!r}: {len(self.files)} files, {size:,} bytes>"
        )


def web(
    model: Callable[..., Any],
    example: Any,
    out: str | os.PathLike[str],
    *,
    name: str = "model",
    labels: Sequence[str] | None = None,
    runtime: str | os.PathLike[str] | None = "npm",
) -> Site:
    """Writes a module or function as a folder that a web server can serve as it is, and returns its description.

    `example` is an input or a tuple of inputs; the page takes exactly these shapes and dtypes, and runs the model in eval
    mode. The folder has `model.onnx`, `model.json` (names, shapes, labels), `model.mjs` (a module whose `load()` gives the
    model as a function), `index.html` (a page: a picture of one channel is drawn, one of three chosen, anything else typed) and `ort/`,
    the files of onnxruntime-web. `labels` name the numbers of the only output. A drawing is 0 where it is empty and 1 where
    there is ink; channels of a picture are 0 to 1.

    `runtime` says where onnxruntime-web comes from: `"npm"` fetches the version that is known to work and compares its
    checksum, a folder (such as `node_modules/onnxruntime-web/dist`) is copied from, None leaves `ort/` to you. Needs
    `pip install flambeau[onnx]`.

    >>> import flambeau
    >>> model = flambeau.nn.Sequential(flambeau.nn.Flatten(), flambeau.nn.Linear(64, 2))
    >>> site = flambeau.export.web(model, flambeau.zeros(1, 1, 8, 8), "page", labels=["a", "b"], runtime=None)
    >>> sorted(site.files)
    ['index.html', 'model.json', 'model.mjs', 'model.onnx']
    >>> site.inputs, site.outputs
    ({'x0': ((1, 1, 8, 8), 'float32')}, {'y0': ((1, 2), 'float32')})
    """
    args = example_args(example)
    inputs = [x._meta for x in pytree.flatten(args)[0] if isinstance(x, Tensor)]
    if not inputs:
        raise TypeError("export.web: the example has no tensor: give one example for each input")
    outputs = _results(model, args)
    about: dict[str, Any] = {
        "name": name,
        "inputs": _described("x", inputs),
        "outputs": _described("y", outputs),
        "labels": _labels(labels, outputs),
    }
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileExistsError(f"export.web: {str(out)!r} is a file; give a folder") from None
    names = {kind: [t["name"] for t in about[kind]] for kind in ("inputs", "outputs")}
    export(
        model, args, folder / "model.onnx", input_names=names["inputs"], output_names=names["outputs"]
    )  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about, indent=1) + "\n")
    for file in PAGE:
        text = (resources.files(__package__) / "page" / file).read_text()
        (folder / file).write_text(text.replace("{{name}}", html.escape(name)))
    files = ["model.onnx", "model.json", *PAGE]
    if runtime is not None:
        _runtime_into(folder / "ort", runtime)
        files += [f"ort/{file}" for file in RUNTIME]
    return Site(folder, about, {file: folder / file for file in files})


def _results(model: Callable[..., Any], args: tuple) -> list[Meta]:
    """Shapes and dtypes of what the model gives in eval mode."""
    with evaluating(model), no_grad():
        made = pytree.flatten(model(*args))[0]
    if not made or any(not isinstance(x, Tensor) for x in made):
        kinds = ", ".join(type(x).__name__ for x in made) or "nothing"
        raise TypeError(f"export.web: the model must return tensors only, but it returned {kinds}")
    return [x._meta for x in made]


def _described(letter: str, metas: Sequence[Meta]) -> list[dict[str, Any]]:
    for m in metas:
        if m.dtype.name not in DTYPES:
            raise TypeError(
                f"export.web: {m} is no array of JavaScript; convert it in the model to one of {', '.join(DTYPES)}"
            )
    return [
        {"name": f"{letter}{i}", "shape": list(m.shape), "dtype": m.dtype.name}
        for i, m in enumerate(metas)
    ]


def _labels(labels: Sequence[str] | None, outputs: Sequence[Meta]) -> list[str]:
    if labels is None:
        return []
    sizes = [m.numel for m in outputs]
    if sizes != [len(labels)]:
        raise ValueError(
            f"export.web: labels name the numbers of the only output, but there are {len(labels)} labels for outputs "
            f"of {sizes} numbers"
        )
    return [str(label) for label in labels]


# -- onnxruntime-web ---------------------------------------------------------------------------------------------------


def _runtime_into(folder: Path, source: str | os.PathLike[str]) -> None:
    """Puts the files of onnxruntime-web there."""
    folder.mkdir(exist_ok=True)
    if source == "npm":
        return _from_npm(folder)
    missing = [file for file in RUNTIME if not (Path(source) / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"export.web: runtime={os.fspath(source)!r} lacks {', '.join(missing)}; name the folder dist of the npm package "
            f'onnxruntime-web {VERSION}, or runtime="npm"'
        )
    for file in RUNTIME:
        shutil.copyfile(Path(source) / file, folder / file)
    return None


def _from_npm(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "export.web: npm is not on PATH; install Node.js, or give runtime= the folder dist of the npm package "
            f"onnxruntime-web {VERSION}, or runtime=None"
        )
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(  # noqa: S603
            [npm, "pack", "--silent", "--prefer-offline", f"onnxruntime-web@{VERSION}"],
            cwd=place, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        archive = Path(place, f"onnxruntime-web-{VERSION}.tgz")
        if done.returncode or not archive.exists():
            said = (done.stderr.strip() or done.stdout.strip())[-500:]
            raise RuntimeError(f"export.web: npm could not fetch onnxruntime-web {VERSION}: {said}")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise RuntimeError(
                f"export.web: npm's archive of onnxruntime-web {VERSION} is not the known one: its checksum is "
                f"sha512-{digest}, expected {INTEGRITY}"
            )
        with tarfile.open(archive) as packed:
            for file in RUNTIME:
                inside = packed.extractfile(f"package/dist/{file}")
                assert inside is not None  # the checksum says what is in the archive
                with inside, open(folder / file, "wb") as written:
                    shutil.copyfileobj(inside, written)
