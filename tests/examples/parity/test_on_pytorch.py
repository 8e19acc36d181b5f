"""The examples run on PyTorch too, with `torch` for `flambeau`, and both print the same numbers to the digits they print."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"
NUMBER = re.compile(r"-?\d+\.\d+")

# Settings, and how far apart numbers may be: some errors grow as training goes on.
SETTINGS = {
    "dcgan.py": ("--data {digits} --epochs 2 --batch-size 20 --width 8", 2e-3),
    "minilm.py": ("--model {minilm} --steps 6 --texts 40 --batch-size 4", 2e-4),
    "neural_style.py": (
        "--data {photo} --style-data {photo} --size 40 --channels 4 --steps 2",
        2e-2,
    ),
    "pole.py": ("--updates 10 --carts 8", 0.2),
    "siamese.py": ("--data {digits} --steps 20", 2e-4),
    "super_resolution.py": ("--data {photo} --size 48 --steps 12 --width 8", 1e-2),
    "time_sequence.py": ("--waves 6 --length 40 --future 20 --steps 2", 1e-5),
    "vae.py": ("--data {digits} --epochs 3 --batch-size 20", 2e-3),
}


def run(name: str, library: str, arguments: list[str]) -> Any:
    source = (EXAMPLES / name).read_text()
    if library == "torch":
        source = source.replace(
            "from flambeau.serialization import safetensors",
            "import safetensors.torch as safetensors",
        ).replace("flambeau", "torch")
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec"), names)
    return names["main"](arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_both_print_the_same(
    name: str,
    stand_ins: dict[str, pathlib.Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    text, tolerance = SETTINGS[name]
    arguments = text.format(**stand_ins).split()
    printed = {}
    for library in ("flambeau", "torch"):
        run(name, library, arguments)
        printed[library] = capsys.readouterr().out
    assert NUMBER.sub("#", printed["flambeau"]) == NUMBER.sub("#", printed["torch"])
    ours, theirs = ([float(n) for n in NUMBER.findall(text)] for text in printed.values())
    assert ours
    assert ours == pytest.approx(theirs, abs=tolerance, rel=1e-3)


def test_wordpiece_is_that_of_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names: dict[str, Any] = {"__name__": "minilm"}
    exec((EXAMPLES / "minilm.py").read_text(), names)
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "un",
        "##aff",
        "##able",
        "cafe",
        "a",
        "##b",
        "!",
        ",",
        "中",
        "$",
    ]
    theirs = tokenizers.BertWordPieceTokenizer(
        {word: i for i, word in enumerate(words)}, lowercase=True
    )
    ours = names["WordPiece"](words)
    texts = [
        "unaffable Café!",
        "A, b ab",
        "中a\u200bb\tunknown",
        "$$ un-aff\x00able",
        "",
        "a" * 101,
        "Ünaff İ",
    ]
    for text in texts:
        assert ours(text, 128) == theirs.encode(text).ids, text
