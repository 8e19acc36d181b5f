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


def learned(name: str, settings: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """What the script's main returns."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return runpy.run_path(str(EXAMPLES / name))["main"](settings.split())


@pytest.mark.slow
def test_a_pole_learns_to_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    falls = learned("pole.py", "--updates 5 --carts 8 --lr 0", monkeypatch)
    assert falls < 40
    assert learned("pole.py", "--updates 30 --carts 8", monkeypatch) > 3 * falls


@pytest.mark.slow
def test_waves_are_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = "--waves 8 --length 60 --future 30 --width 16 --steps 3"
    assert (
        learned("time_sequence.py", settings, monkeypatch) < 0.1
    )  # a wave's own mean square is 0.5


@pytest.mark.slow
def test_autoencoder_and_siamese_network_learn(
    stand_ins: dict[str, pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"--data {stand_ins['digits']}"
    begun = learned("vae.py", f"{data} --epochs 1 --batch-size 20", monkeypatch)
    assert learned("vae.py", f"{data} --epochs 20 --batch-size 20", monkeypatch) < 0.8 * begun
    assert (
        learned("siamese.py", f"{data} --steps 60", monkeypatch) >= 0.6
    )  # of three digits, unseen


@pytest.mark.slow
def test_photographs_become_sharper_and_take_on_a_style(
    stand_ins: dict[str, pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = stand_ins["photo"]
    settings = f"--data {photo} --size 48 --steps 60 --width 16 --patch 24"
    assert learned("super_resolution.py", settings, monkeypatch) > 0.3  # dB above bicubic
    from PIL import Image

    turned = tmp_path / "style.png"
    Image.open(photo).convert("L").rotate(90, expand=True).save(turned)
    settings = f"--data {photo} --style-data {turned} --size 40 --channels 8 --steps 2"
    assert learned("neural_style.py", settings, monkeypatch) < 0.2  # of the distance at first


@pytest.mark.slow
def test_the_trained_cnn_reads_digits_and_resumes(
    stand_ins: dict[str, pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = f"--data {stand_ins['digits']} --batch-size 16 --epochs 5 --folder {tmp_path}"
    reached = learned("mnist_trainer.py", settings, monkeypatch)
    assert reached >= 0.9
    written = (tmp_path / "last.pt").stat().st_mtime_ns
    assert learned("mnist_trainer.py", settings, monkeypatch) == reached
    assert (tmp_path / "last.pt").stat().st_mtime_ns == written, "a finished run trained again"
