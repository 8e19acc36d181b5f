from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "char_gpt.py"


@pytest.mark.slow
def test_the_example_learns_and_writes(tmp_path, capsys, help_topics):
    text = tmp_path / "text.txt"
    text.write_text(help_topics[:100_000], encoding="utf-8")
    main = runpy.run_path(str(EXAMPLE))["main"]
    arguments = "--steps 100 --width 32 --layers 1 --block-size 32 --lr 5e-3 --length 50"
    loss = main(["--text", str(text), *arguments.split()])
    printed = capsys.readouterr().out
    assert "100,000 characters" in printed
    assert loss < 3.2 < float(printed.split("unigram ")[1].split()[0]) + 0.1
    assert len(printed.split("nats a character\n\n")[1]) >= 50
