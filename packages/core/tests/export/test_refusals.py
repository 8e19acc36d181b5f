"""What cannot leave: one clear error each, and nothing is written."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau._base.errors import MissingRule
from flambeau.export import c99

x = flambeau.ones(2, 3)
REFUSED = {
    "an operator without C": (
        lambda x: flambeau.searchsorted(x, x), x, MissingRule,
        r"export.c99: places_in\(float32\[2, 3\], float32\[2, 3\]\) has no C: no emitter was written for it. Ways out: .*onnx",
    ),
    "a dtype that C lacks": (lambda x: x * 2, x.half(), MissingRule, r"x0 is float16\[2, 3\], and float16 is no type of plain C.*model.float\(\)"),
    "complex numbers on the way": (lambda x: flambeau.fft.rfft(x).exp().abs(), x, MissingRule, r"_fft_r2c\(float32\[2, 3\]\) is complex64.* give out real numbers"),
    "a number read": (lambda x: x * x.sum().item(), x, RuntimeError, r"reads values while it runs \(item\(\)\)"),
    "random numbers": (lambda x: x + flambeau.rand(3), x, RuntimeError, "draws random numbers"),
    "a write into its input": (lambda x: x.add_(1), x, RuntimeError, r"writes into memory that outlives the call: x0"),
    "no tensor returned": (lambda x: 3, x, TypeError, "must return tensors only, but it returned int"),
    "no tensor given": (lambda: x, (), TypeError, "the example has no tensor"),
    "a mask to write at": (lambda x: flambeau.index_put(x, (x > 0,), x[0, :1]), x, MissingRule, r"nonzero_table\(bool\[2, 3\]\) has no C"),
    "a size that the data decides": (lambda x: x[x > 0], x, Exception, "nonzero|mask|reads values"),
    "no elements": (lambda x: x[:0] * 2, x, MissingRule, "has no elements"),
    "a computed weight": (lambda x: nn.functional.conv1d(x[None], x[None]), x, MissingRule, "its weight is computed while it runs"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_c_is_refused(why, tmp_path):
    model, example, error, text = REFUSED[why]
    with pytest.raises(error, match=text):
        c99(model, example, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_wrong_options(tmp_path):
    model = nn.Linear(3, 2)
    for options, text in [
        ({"quantize": "int4"}, 'quantize must be None or "int8", but got \'int4\''),
        ({"name": "my model"}, "name must be a C identifier other than main and weights, but got 'my model'"),
        ({"calibration": [x]}, 'calibration is for quantize="int8"'),
        ({"quantize": "int8", "calibration": []}, "calibration has no examples"),
        ({"quantize": "int8", "calibration": [x, x * float("nan")]}, "calibration met NaN"),
        ({"quantize": "int8", "calibration": [x - float("inf")]}, "calibration met infinite numbers before linear"),
        ({"name": "main"}, "other than main and weights, but got"),
        ({"quantize": "int8", "calibration": [x[:1]]}, r"has inputs \[float32\[1, 3\]\], but the model"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=text):
            c99(model, x, tmp_path, **options)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file; give a folder"):
        c99(model, x, tmp_path / "file")


@pytest.mark.parametrize("file", ["main.c", "model.c", "Makefile"])
def test_files_of_others_are_not_overwritten(tmp_path, file):
    model, x = nn.Linear(3, 2), flambeau.zeros(2, 3)
    c99(model, x, tmp_path)
    c99(model, x, tmp_path)  # what an export wrote may be written again
    (tmp_path / "weights_of_mine.c").write_text("int mine;")
    (tmp_path / file).write_text("int main(void);")
    with pytest.raises(
        FileExistsError, match=rf"export.c99: .*{file}' was not written by .* would be lost"
    ):
        c99(model, x, tmp_path)
    assert (tmp_path / file).read_text() == "int main(void);"
    assert (tmp_path / "weights_of_mine.c").exists()


def test_the_model_is_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    model[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    c99(model, x, tmp_path)
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert all(flambeau.equal(v, before[k]) for k, v in model.state_dict().items())
