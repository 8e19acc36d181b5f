"""The programs of script_programs.txt, scripted or traced by PyTorch and by flambeau: results, files and errors agree.

Each is a text that makes `program` and `calls`, and is run with torch under the name torch, then with flambeau under it. What
flambeau saved and loads again must say the same, and so must the archive that PyTorch wrote of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import pathlib
import re
import sys
import warnings

import numpy as np
import pytest
import torch

import flambeau

TEXTS = {
    part.partition("\n")[0].strip(): part.partition("\n")[2]
    for part in re.split(
        r"^# ---- ",
        pathlib.Path(__file__).with_name("script_programs.txt").read_text(),
        flags=re.MULTILINE,
    )[1:]
}
FUTURE = "from __future__ import annotations\n"
pytestmark = pytest.mark.filterwarnings("ignore")


def module(name, text, library, folder):
    """The text as a module, `torch` being this library."""
    first = f"{FUTURE if FUTURE in text else ''}import torch\n"
    text = first + text.replace(FUTURE, "")
    if library is flambeau:
        text = text.replace("import torch\n", "import flambeau as torch\n")
        text = re.sub(r"import torch\.([a-z.]+) as", r"import flambeau.\1 as", text)
        text = text.replace("from torch.", "from flambeau.")
    name = f"script_{library.__name__}_{name}"
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def again(program, library):
    """The program's archive."""
    file = io.BytesIO()
    library.jit.save(program, file)
    return file.getvalue()


def outcomes(program, calls):
    """What each call gives and prints; an error is an outcome."""
    made = []
    for call in calls:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                result = call(program)
            made.append((result, printed.getvalue()))
        except Exception as error:  # of whatever class
            made.append((error, ""))
    return made


def same(theirs, ours):
    """Equal in kind, dtype, shape and, but for rounding, in values."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(theirs, Exception) and isinstance(ours, Exception), (theirs, ours)
    elif isinstance(theirs, torch.Tensor):
        assert isinstance(ours, flambeau.Tensor)
        assert str(theirs.dtype).split(".")[1] == str(ours.dtype).split(".")[1]
        a, b = (t.detach().numpy() for t in (theirs, ours))
        assert a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    elif isinstance(theirs, (tuple, list)):
        assert len(theirs) == len(ours) and getattr(theirs, "_fields", ()) == getattr(
            ours, "_fields", ()
        )
        assert isinstance(ours, tuple) == isinstance(theirs, tuple) or isinstance(
            ours, flambeau.Size
        )
        for a, b in zip(theirs, ours, strict=True):
            same(a, b)
    elif isinstance(theirs, dict):
        assert list(theirs) == list(ours)
        for key, value in theirs.items():
            same(value, ours[key])
    elif isinstance(theirs, float):
        assert type(ours) is float
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    elif theirs is None or isinstance(theirs, (bool, int, str, complex)):
        assert type(theirs) is type(ours) and theirs == ours


@pytest.mark.parametrize("name", TEXTS)
def test_a_program(name, tmp_path):
    warnings.simplefilter("ignore")
    theirs, ours = (module(name, TEXTS[name], lib, tmp_path) for lib in (torch, flambeau))
    archives = []
    for made, library in ((theirs, torch), (ours, flambeau)):
        with contextlib.suppress(RuntimeError):  # a program with an ignored function
            archives.append(again(made.program, library))
    wanted = outcomes(theirs.program, theirs.calls)
    for (a, said), (b, also_said) in zip(wanted, outcomes(ours.program, ours.calls), strict=True):
        same(a, b)
        assert said == also_said
    if len(archives) == 2:
        loaded = outcomes(torch.jit.load(io.BytesIO(archives[0])), theirs.calls)
        for archive in archives:
            found = outcomes(flambeau.jit.load(io.BytesIO(archive)), ours.calls)
            for (full, _), (a, said), (b, also_said) in zip(wanted, loaded, found, strict=True):
                if isinstance(a, Exception) and not isinstance(full, Exception):
                    continue  # PyTorch's files forget defaults of functions, and classes of Python
                same(a, b)
                assert said == also_said
