"""From MODEL to a `Model`: a table of file kinds, and nothing that runs code out of a file.

MODEL is an object, a file, a folder with `model.json`, or `module:attribute`. Only the last imports Python, and only
because the person at the command line named it: a `model.json` can name a file beside it and nothing else. Pickles
and bare checkpoints are refused: they hold parameters, not a model.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .adapters import from_callable, with_labels
from .errors import InputError, LoadError
from .images import reader_for
from .model import Model, TensorSpec

_ATTRIBUTE = re.compile(
    r"(?P<module>[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_][\w.]*)(?P<call>\(\))?"
)
_CARD_KEYS = frozenset(
    {"model", "name", "version", "inputs", "outputs", "labels", "scores", "preprocess"}
)


def load(source: object, *, name: str | None = None, inputs: Iterable[TensorSpec] = ()) -> Model:
    """Make a `Model` of whatever MODEL may be; LoadError says what is wrong with it.

    `inputs` declares the inputs of a callable, which cannot tell them itself.
    """
    inputs = tuple(inputs)
    if isinstance(source, Model):
        return source if name is None else _renamed(source, name)
    if isinstance(source, (str, Path)):
        return _load_named(str(source), name, inputs)
    if callable(source):
        return of_callable(source, name=name or "model", inputs=inputs)
    raise LoadError(f"cannot serve a {type(source).__name__}: it is no model, callable or path")


def of_callable(
    function: Callable[..., Any], *, name: str, inputs: Iterable[TensorSpec] = ()
) -> Model:
    """A model of an `nn.Module` or function that takes and returns tensors."""
    inputs = tuple(inputs)
    return Model(from_callable(function), name=name, inputs=inputs, image=reader_for(inputs, None))


def _renamed(model: Model, name: str) -> Model:
    return Model(
        model.predict,
        name=name,
        version=model.version,
        platform=model.platform,
        inputs=model.inputs,
        outputs=model.outputs,
        labels=model.labels,
        image=model.image,
    )


def _load_named(source: str, name: str | None, inputs: tuple[TensorSpec, ...]) -> Model:
    path = Path(source)
    if path.is_dir():
        return _load_folder(path, name)
    if path.is_file():
        return _load_file(path, name or path.stem)
    match = _ATTRIBUTE.fullmatch(source)
    if match is None:
        raise LoadError(f"{source}: no such file or folder, and not of the form module:attribute")
    found = _import(match["module"], match["attribute"])
    if match["call"]:
        found = found()
    if isinstance(found, type):
        raise LoadError(f"{source} is a class; write {source}() to make one and serve it")
    if not callable(found) and not isinstance(found, Model):
        raise LoadError(f"{source} is a {type(found).__name__}, which cannot be called")
    return load(found, name=name or match["attribute"].rpartition(".")[2], inputs=inputs)


def _import(module: str, attribute: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise  # the module is there, and something it imports is not: show where
        raise LoadError(f"no module named {module!r} in the current folder or installed") from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise LoadError(f"module {module!r} has no attribute {attribute!r}")
        found = getattr(found, part)
    return found


def _load_file(path: Path, name: str) -> Model:
    loader = LOADERS.get(path.suffix.lower())
    if loader is None:
        known = ", ".join(sorted(suffix for suffix in LOADERS if LOADERS[suffix] is not _refuse))
        raise LoadError(f"{path}: files of this kind are not served; expected one of {known}")
    return loader(path, name)


def _load_onnx(path: Path, name: str) -> Model:
    """An ONNX file, run by flambeau: its graph says names, datatypes and shapes."""
    from .onnx import load_onnx

    return load_onnx(path, name)


def _refuse(path: Path, name: str) -> Model:
    raise LoadError(
        f"{path}: a checkpoint holds parameters and no model; export the model with "
        "flambeau.onnx.export, or serve module:attribute of code that loads the checkpoint"
    )


LOADERS: dict[str, Callable[[Path, str], Model]] = {
    ".onnx": _load_onnx,
    ".pt": _refuse,
    ".pth": _refuse,
    ".pkl": _refuse,
    ".safetensors": _refuse,
}


def _load_folder(folder: Path, name: str | None) -> Model:
    """A folder: `model.json` says what the file beside it does not."""
    path = folder / "model.json"
    if not path.is_file():
        raise LoadError(f"{folder}: the folder has no model.json")
    card = _read_card(path)
    bare = _load_file(_beside(folder, card), name or card.get("name") or folder.resolve().name)
    inputs = _specs(card, "inputs", path) or bare.inputs
    model = Model(
        bare.predict,
        name=bare.name,
        version=str(card.get("version", bare.version)),
        platform=bare.platform,
        inputs=inputs,
        outputs=_specs(card, "outputs", path) or bare.outputs,
        image=reader_for(inputs, card.get("preprocess")),
    )
    if "labels" not in card:
        return model
    return with_labels(model, _labels(card, path), card.get("scores", "logits"))


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{path} is not JSON: {error}") from None
    if not isinstance(card, dict):
        raise LoadError(f"{path} must hold a JSON object")
    unknown = sorted(set(card) - _CARD_KEYS)
    if unknown:
        raise LoadError(
            f"{path} has the unknown key {unknown[0]!r}; known are {sorted(_CARD_KEYS)}"
        )
    if not isinstance(card.get("preprocess", {}), dict):
        raise LoadError(f"{path}: preprocess must be a JSON object")
    return card


def _beside(folder: Path, card: dict[str, Any]) -> Path:
    """The model file a card names, which must lie in the folder itself."""
    file = card.get("model")
    if not isinstance(file, str) or not file or Path(file).name != file:
        raise LoadError(
            f"{folder / 'model.json'}: model must name a file in the same folder, got {file!r}"
        )
    path = folder / file
    if not path.is_file():
        raise LoadError(f"{folder / 'model.json'} names {file!r}, which is not there")
    return path


def _specs(card: dict[str, Any], key: str, path: Path) -> tuple[TensorSpec, ...]:
    try:
        return tuple(
            TensorSpec(item["name"], item["datatype"], tuple(item["shape"]))
            for item in card.get(key, [])
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise LoadError(
            f"{path}: {key} must list objects with name, datatype and shape: {error!r}"
        ) from None


def _labels(card: dict[str, Any], path: Path) -> list[str]:
    labels = card["labels"]
    if not isinstance(labels, list) or not labels:
        raise LoadError(f"{path}: labels must be a list of strings")
    return [str(label) for label in labels]
