"""The examples that claim to learn something do."""

from __future__ import annotations

import pathlib
import runpy

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_char_gpt_falls_below_the_unigram_entropy(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pydoc_data.topics import topics

    text = tmp_path / "text.txt"
    text.write_text("\n".join(topics[name] for name in sorted(topics))[:100_000], "utf-8")
    main = runpy.run_path(str(EXAMPLES / "char_gpt.py"))["main"]
    settings = "--steps 100 --width 32 --layers 1 --block-size 32 --lr 5e-3 --length 50"
    loss = main(["--text", str(text), *settings.split()])
    printed = capsys.readouterr().out
    unigram = float(printed.split("unigram ")[1].split()[0])
    assert loss < unigram - 0.1
    assert len(printed.split("nats a character\n\n")[1]) >= 50


@pytest.mark.slow
def test_keyword_spotting_understands_new_speakers(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "keyword_spotting.py"))["main"]
    settings = "--voices synthetic --speakers 15 --takes 2 --epochs 4"
    accuracy = main(settings.split())
    assert accuracy >= 0.9
    assert "by our synthesizer, 60 of them by 3 speakers" in capsys.readouterr().out


@pytest.mark.slow
def test_gradients_of_each_sample_find_the_wrong_labels() -> None:
    found = runpy.run_path(str(EXAMPLES / "func_transforms.py"))
    assert found["main"]() == found["WRONG"]
