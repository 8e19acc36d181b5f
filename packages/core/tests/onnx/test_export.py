"""ONNX: exported models run in onnxruntime with our answers, and come back by `load`."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="the onnx extra is not installed")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="onnxruntime, which checks exports, is not installed"
)

import flambeau  # noqa: E402
from flambeau import nn  # noqa: E402
from flambeau.export import Dim  # noqa: E402
from flambeau.testing import assert_close  # noqa: E402


class Steps(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.layers = kind(3, 4, num_layers=2, bidirectional=True, **options)

    def forward(self, x):
        return self.layers(x)[0]


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.head = nn.Linear(16, 20)

    def forward(self, x):
        return self.head(
            self.layer(self.embed(x) + flambeau.arange(x.shape[1])[None, :, None] * 0.01)
        )


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(8, 4, 3),
        nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4 * 6 * 6, 10), nn.LogSoftmax(1),
    )  # fmt: skip


def mlp():
    return nn.Sequential(
        nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 8), nn.SiLU(), nn.Dropout(), nn.LayerNorm(8), nn.Softplus(),
        nn.Linear(8, 3), nn.Softmax(-1),
    )  # fmt: skip


MODELS = {
    "cnn": (cnn, lambda n: (flambeau.randn(n, 1, 28, 28),), {"x": {0: "batch"}}),
    "mlp": (mlp, lambda n: (flambeau.randn(n, 4),), {"x": [0]}),
    "bags": (
        lambda: nn.EmbeddingBag(20, 6, mode="max"),
        lambda n: (flambeau.randint(20, (n, 4)),),
        {"x": {0: "batch"}},
    ),
    **{
        name: (
            lambda kind=kind: Steps(kind),
            lambda n: (flambeau.randn(n + 3, n, 3),),
            {"x": {0: "time", 1: "batch"}},
        )
        for name, kind in {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}.items()
    },
    "neighbours": (
        lambda: nn.LocalResponseNorm(3),
        lambda n: (flambeau.randn(n, 5, 4, 4),),
        {"x": {0: "batch"}},
    ),
    "transformer": (
        Transformer,
        lambda n: (flambeau.randint(20, (n, n + 5)),),
        {"x": {0: "batch", 1: "time"}},
    ),
}


def ask(proto, *inputs):
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [i.name for i in session.get_inputs()]
    return [
        flambeau.from_numpy(o)
        for o in session.run(None, {n: x.numpy() for n, x in zip(names, inputs)})
    ]


@pytest.mark.parametrize("name", MODELS)
def test_exported_and_loaded_models_answer_as_eager_at_every_size(name):
    flambeau.manual_seed(0)
    make, inputs, axes = MODELS[name]
    model = make()
    proto = flambeau.onnx.export(
        model, inputs(2), input_names=["x"], output_names=["y"], dynamic_axes=axes
    )
    assert model.training, "the module's mode is as it was"
    model.eval()
    loaded = flambeau.onnx.load(proto.SerializeToString())
    assert (
        loaded.input_names == ["x"]
        and loaded.output_names == ["y"]
        and loaded.input_shapes[0][0] is None
    )
    for n in (1, 2, 5):
        given = inputs(n)
        with flambeau.no_grad():
            expected = model(*given)
            assert_close(ask(proto, *given)[0], expected, rtol=1e-4, atol=1e-5)
            assert_close(loaded(*given), expected, rtol=1e-4, atol=1e-5)


def column(x):
    out = flambeau.zeros(x.shape[0], 6)
    out[:, 1:5] = x
    out[..., -1] = x.sum(1)
    out[:, ::2] += 1
    return out


def views(x):
    out = x.clone()
    out.view(2, 2, 2)[:, 0, 1] = x[:, 0]
    out.diagonal().fill_(1)
    out.chunk(2, 1)[0].mul_(2)
    out.t()[1:3, None, -1] = 5
    out.unbind(0)
    return out


@pytest.mark.parametrize(("model", "axes"), [(column, {"x": [0]}), (views, None)])
def test_writes_into_views_are_choices_between_old_and_new(model, axes):
    proto = flambeau.onnx.export(
        model, (flambeau.ones(2, 4),), input_names=["x"], dynamic_axes=axes
    )
    x = flambeau.randn(5 if axes else 2, 4)
    assert_close(ask(proto, x)[0], model(x))
    assert_close(flambeau.onnx.load(proto.SerializeToString())(x), model(x))


def marked(x):
    out = x.clone()
    out[flambeau.arange(x.shape[0]), flambeau.tensor([1])] = 7
    out[:, flambeau.tensor([0, -1])] = x[:, :2]
    return out


def picked(x):
    out = x.clone()
    out[x > 0] = x[x > 0] * 2
    return out, x[x < 0].sum(), flambeau.masked_select(x, x > 0).mean()


@pytest.mark.parametrize(("model", "axes"), [(marked, {"x": [0]}), (picked, None)])
def test_what_index_tensors_and_masks_write_and_pick_depends_on_values(model, axes):
    example = flambeau.tensor([[1.0, -2.0, 3.0, 4.0], [5.0, 6.0, -7.0, 8.0]])
    proto = flambeau.onnx.export(model, (example,), input_names=["x"], dynamic_axes=axes)
    x = -example if axes is None else flambeau.randn(5, 4)
    expected = model(x) if isinstance(model(x), tuple) else (model(x),)
    for found in ask(proto, x), flambeau.onnx.load(proto.SerializeToString())(x):
        for one, other in zip([found] if isinstance(found, flambeau.Tensor) else found, expected):
            assert_close(one, other)


def spectra(x):
    window = flambeau.hann_window(16)
    frames = flambeau.stft(x, 16, 4, window=window, return_complex=True)
    back = flambeau.fft.irfft(flambeau.fft.rfft(x) * 1.5, n=40)
    return frames.abs(), flambeau.view_as_real(frames), back, flambeau.fft.fft(x).real


def test_fourier_transforms_leave_as_products():
    x = flambeau.randn(2, 40)
    proto = flambeau.onnx.export(spectra, (x,), input_names=["x"], dynamic_axes={"x": {0: "n"}})
    longer = flambeau.randn(5, 40)
    for found, expected in zip(ask(proto, longer), spectra(longer)):
        assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_windows_of_a_signal_of_any_length():
    def model(x):
        return x.unfold(1, 4, 1) * 2, x[:, :20].unfold(1, 5, 3), x.unfold(0, 2, 1)

    proto = flambeau.onnx.export(
        model, (flambeau.randn(3, 20),), input_names=["x"], dynamic_axes={"x": {0: "n", 1: "time"}}
    )
    x = flambeau.randn(4, 31)
    for found, expected in zip(ask(proto, x), model(x)):
        assert_close(found, expected)


def test_bags_by_offsets_depend_on_the_offsets():
    bags = [nn.EmbeddingBag(9, 4, mode=m, padding_idx=2) for m in ("sum", "mean", "max")]

    def model(ids, starts):
        return [b(ids, starts) for b in bags]

    ids = flambeau.tensor([0, 3, 2, 8, 2, 2])
    names = ["ids", "starts"]
    proto = flambeau.onnx.export(model, (ids, flambeau.tensor([0, 3, 4])), input_names=names)
    starts = flambeau.tensor([0, 1, 1])
    for found, expected in zip(ask(proto, ids, starts), model(ids, starts)):
        assert_close(found, expected)


def test_weights_keep_their_names():
    proto = flambeau.onnx.export(nn.Sequential(nn.Linear(2, 3)), (flambeau.zeros(1, 2),))
    assert {"0.weight", "0.bias"} <= {t.name for t in proto.graph.initializer}


def test_a_size_that_rounds_is_refused():
    with pytest.raises(RuntimeError, match="open axes"):
        flambeau.onnx.export(
            lambda x: x.reshape(-1)[: x.shape[0] // 2].sum(),
            (flambeau.ones(6),),
            input_names=["x"],
            dynamic_axes={"x": [0]},
        )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x.shape[0],
        lambda x: x.var(0),
        lambda x: x * flambeau.tensor(float(x.shape[0])),
    ],
)
def test_a_number_that_depends_on_an_open_size_is_not_frozen(function):
    with pytest.raises(RuntimeError, match=r"depends on n; .*export fixed sizes"):
        flambeau.onnx.export(
            function, (flambeau.ones(4, 3),), input_names=["x"], dynamic_axes={"x": {0: "n"}}
        )


@pytest.mark.parametrize("version", [9, 99])
def test_versions_of_operators_that_are_not_written_are_refused(version):
    with pytest.raises(ValueError, match=f"opset_version must be 18 to .*, but got {version}"):
        flambeau.onnx.export(nn.ReLU(), (flambeau.ones(2),), opset_version=version)


def test_a_branch_on_a_value_is_refused():
    with pytest.raises(RuntimeError, match="reads values"):
        flambeau.onnx.export(lambda x: x if x.sum() > 0 else -x, (flambeau.ones(2),))


def test_an_operator_without_a_form_is_named():
    with pytest.raises(NotImplementedError, match=r"sort\(float32\[3\]\) has no ONNX form"):
        flambeau.onnx.export(lambda x: x.sort().values, (flambeau.ones(3),))


def test_files_are_written_whole_and_read_back(tmp_path):
    path = tmp_path / "model.onnx"
    flambeau.onnx.export(nn.ReLU(), (flambeau.zeros(2),), path)
    assert_close(
        flambeau.onnx.load(path)(flambeau.tensor([-1.0, 1.0])), flambeau.tensor([0.0, 1.0])
    )
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("content", [b"", b"not onnx", b"PK\x03\x04 a zip", b"\x08\x08\x12\x04"])
def test_files_of_another_kind_give_one_clear_error(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="broken.onnx is not a valid ONNX model"):
        flambeau.onnx.load(path)


def test_a_truncated_file_gives_one_clear_error(tmp_path):
    path = tmp_path / "cut.onnx"
    flambeau.onnx.export(nn.Linear(50, 50), (flambeau.zeros(1, 50),), path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(RuntimeError, match="not a valid ONNX model"):
        flambeau.onnx.load(path)


def test_wrong_inputs_are_named():
    model = flambeau.onnx.load(
        flambeau.onnx.export(
            nn.Linear(2, 1), (flambeau.zeros(1, 2),), input_names=["x"]
        ).SerializeToString()
    )
    with pytest.raises(ValueError, match=r"input 'x' must have shape \[1, 2\], but got \[1, 3\]"):
        model(flambeau.zeros(1, 3))
    with pytest.raises(TypeError, match="must be float32, but got int64"):
        model(flambeau.zeros(1, 2, dtype=flambeau.int64))
    with pytest.raises(TypeError, match="takes 1 inputs"):
        model()


class Scaled(nn.Module):
    def forward(self, x, scale=None, *, shift=0.0):
        return (x if scale is None else x * scale) + shift


@pytest.mark.parametrize(
    "shapes",
    [{"x": {0: "batch"}}, ({0: Dim("batch")}, None), [("batch", None), None, {}]],
)
def test_the_model_s_own_arguments_by_name_and_with_open_sizes(shapes):
    proto = flambeau.onnx.export(
        Scaled(), (flambeau.ones(2, 3),), kwargs={"scale": flambeau.ones(3), "shift": flambeau.ones(1)},
        dynamic_shapes=shapes, input_names=["x", "scale", "shift"], external_data=False,
    )  # fmt: skip
    given = flambeau.randn(5, 3), flambeau.randn(3), flambeau.randn(1)
    assert_close(ask(proto, *given)[0], Scaled()(*given[:2], shift=given[2]))


def test_wrong_dynamic_shapes_are_named():
    x = flambeau.ones(2, 3)
    with pytest.raises(
        ValueError, match=r"dynamic_shapes names \['y'\], but the arguments are \['x'\]"
    ):
        flambeau.onnx.export(Scaled(), (x,), dynamic_shapes={"y": {0: "batch"}})
    with pytest.raises(TypeError, match="dynamic_shapes of 'xs', which is no tensor"):
        flambeau.onnx.export(lambda xs: xs[0] + 1, ([x],), dynamic_shapes=([{0: "batch"}],))


def test_wrong_options_are_named(tmp_path):
    x = flambeau.ones(2, 3)
    with pytest.raises(ValueError, match=r"input names must differ, but \['a'\]"):
        flambeau.onnx.export(lambda x, y: x + y, (x, x), input_names=["a", "a"])
    with pytest.warns(UserWarning, match=r"dynamic_axes names \['z'\], but the inputs are \['x'\]"):
        flambeau.onnx.export(
            nn.ReLU(),
            (x,),
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"z": [0], "y": [0]},
        )
    with pytest.raises(ValueError, match="returns no tensor"):
        flambeau.onnx.export(lambda x: None, (x,))
    for place in (tmp_path, tmp_path / "none" / "model.onnx"):
        with pytest.raises(FileNotFoundError, match="is no place for a file"):
            flambeau.onnx.export(nn.ReLU(), (x,), place)
    assert not list(tmp_path.iterdir())
