"""Every Python example of a page runs, in the page's order, as a reader would type it.

A block below `<!-- from FILE -->` is not run: it shows a piece of that file, and must be it, word for word.
"""

from __future__ import annotations

import doctest
import pathlib
import re

import pytest

from flambeau.backends.cpu import available

ROOT = pathlib.Path(__file__).parents[2]
FENCE = re.compile(r"^(?:<!-- from (\S+) -->\n)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/design/*.md"),
        *ROOT.glob("packages/*/README.md"),
    ]
    if FENCE.search(path.read_text())
)


def examples_of(page: pathlib.Path) -> list[tuple[int, str | None, str]]:
    """The fenced blocks: the line each starts at, the file it shows if any, its text."""
    text = page.read_text()
    return [
        (text.count("\n", 0, found.start(2)) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def write_speech(folder: pathlib.Path) -> None:
    import flambeau
    import flambeau_audio

    second = flambeau.linspace(0, 1, 22050)
    flambeau_audio.save(folder / "speech.flac", (second * 3000).sin().unsqueeze(0) / 2, 22050)


def write_book(folder: pathlib.Path) -> None:
    from pydoc_data.topics import topics

    (folder / "book.txt").write_text("\n".join(topics.values()), encoding="utf-8")


# The files that a page takes for granted, as "your" speech or book.
FILES = {
    "packages/audio/README.md": write_speech,
    "packages/text/README.md": write_book,
}


# Pages that show text which only a C compiler's presence makes: without one they say something else.
NEED_COMPILER = {"docs/compile.md", "docs/export-c.md"}


def run_block(page: pathlib.Path, line: int, code: str, names: dict[str, object]) -> None:
    if ">>>" not in code:
        # Blank lines in front make a traceback name the line of the page.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.append, clear_globs=False)
    names.update(test.globs)
    assert not report, "".join(report)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_page(
    page: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = str(page.relative_to(ROOT))
    if name in NEED_COMPILER and not available():
        pytest.skip("no C compiler on this machine")
    FILES.get(name, lambda folder: None)(tmp_path)
    names: dict[str, object] = {"__name__": "__page__"}
    for line, shown, code in examples_of(page):
        if shown is None:
            run_block(page, line, code, names)
        else:
            assert code in (ROOT / shown).read_text(), f"{page.name}:{line} is not in {shown}"
