"""Embeddings for TensorBoard's projector: tables of vectors, labels and pictures beside the event file."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from flambeau.utils.tensorboard.arrays import as_array
from flambeau.utils.tensorboard.pictures import grid, png

__all__ = ["write_embedding"]


def write_embedding(
    logdir: str,
    mat: Any,
    metadata: Any,
    label_img: Any,
    global_step: int | None,
    tag: str,
    metadata_header: Any,
) -> None:
    """Writes the files of one embedding and names it in `projector_config.pbtxt`."""
    vectors = as_array(mat)
    if vectors.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
    step = str(global_step or 0).zfill(5)
    folder = f"{step}/{_encoded(tag)}"
    path = os.path.join(logdir, folder)
    os.makedirs(path, exist_ok=True)
    lines = [f'tensor_name: "{_quoted(tag)}:{step}"', f'tensor_path: "{folder}/tensors.tsv"']
    if metadata is not None:
        _check_count(vectors, metadata, "labels")
        _write(path, "metadata.tsv", _table(metadata, metadata_header))
        lines.append(f'metadata_path: "{folder}/metadata.tsv"')
    if label_img is not None:
        pictures = as_array(label_img)
        _check_count(vectors, pictures, "images")
        with open(os.path.join(path, "sprite.png"), "wb") as file:
            file.write(_sprite(pictures))
        lines += [
            "sprite {",
            f'  image_path: "{folder}/sprite.png"',
            f"  single_image_dim: {pictures.shape[3]}",
            f"  single_image_dim: {pictures.shape[2]}",
            "}",
        ]
    _write(path, "tensors.tsv", ["\t".join(str(v) for v in row) for row in vectors.tolist()])
    with open(os.path.join(logdir, "projector_config.pbtxt"), "a", encoding="utf-8") as file:
        file.write("embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")


def _check_count(vectors: np.ndarray, given: Any, what: str) -> None:
    if len(given) != vectors.shape[0]:
        raise AssertionError(
            f"#{what} should equal with #data points: {len(given)} and {vectors.shape[0]}"
        )


def _table(metadata: Any, header: Any) -> list[str]:
    if not header:
        return [str(label) for label in metadata]
    if len(header) != len(metadata[0]):
        raise AssertionError("len of header must be equal to the number of columns in metadata")
    return ["\t".join(str(cell) for cell in row) for row in [header, *metadata]]


def _sprite(pictures: np.ndarray) -> bytes:
    """All pictures in one square, which is how the projector wants them."""
    arranged = grid(pictures, math.ceil(len(pictures) ** 0.5)).transpose(1, 2, 0)
    side = arranged.shape[1]
    square = np.zeros((max(side, arranged.shape[0]), side, 3))
    square[: arranged.shape[0]] = arranged
    return png((square * (1 if pictures.dtype == np.uint8 else 255)).clip(0, 255).astype(np.uint8))


def _write(path: str, name: str, lines: list[str]) -> None:
    with open(os.path.join(path, name), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def _encoded(tag: str) -> str:
    """The tag as a file name, undone by TensorBoard."""
    return tag.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def _quoted(tag: str) -> str:
    return tag.replace("\\", "\\\\").replace('"', '\\"')
