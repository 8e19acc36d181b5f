"""Event files: checksums, threads, processes that are killed or forked, and what the errors say. Without TensorBoard."""

from __future__ import annotations

import glob
import io
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import wave
import zlib

import numpy as np
import pytest

import flambeau
from flambeau.utils.tensorboard import FileWriter, RecordWriter, SummaryWriter, records
from flambeau.utils.tensorboard.pictures import png


def records_of(path):
    """The data of a file's records, their checksums checked one bit at a time."""
    found, file = [], io.BytesIO(pathlib.Path(path).read_bytes())
    while head := file.read(12):
        size, crc = struct.unpack("<QI", head)
        assert crc == masked(head[:8])
        data = file.read(size)
        assert struct.unpack("<I", file.read(4))[0] == masked(data)
        found.append(data)
    return found


def masked(data):
    crc = slow_crc(data)
    return ((crc >> 15) | (crc << 17) & 0xFFFFFFFF) + 0xA282EAD8 & 0xFFFFFFFF


def slow_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fields(data):
    """A message as [(number, value)]: texts, numbers and messages as they lie there."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        wire = key & 7
        if wire == 0:
            found.append((key >> 3, varint()))
            continue
        size = {1: 8, 5: 4}.get(wire) or varint()
        part = data[at : at + size]
        at += size
        if wire != 2:
            part = struct.unpack("<d" if wire == 1 else "<f", part)[0]
        found.append((key >> 3, part))
    return found


def values(folder):
    """(step, tag, fields of the value) of each summary."""
    found = []
    for path in sorted(glob.glob(f"{folder}/events*")):
        for event in map(fields, records_of(path)):
            event = dict(event)
            for _, value in fields(event.get(5, b"")):
                value = dict(fields(value))
                found.append((event.get(2), value[1].decode(), value))
    return found


def test_crc_of_known_texts():
    # RFC 3720, B.4
    assert records.crc32c(bytes(32)) == 0x8A9136AA
    assert records.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert records.crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("size", [0, 1, 3, 4, 16383, 16384, 16385, 20000, 40001])
def test_crc_of_much_data_is_that_of_the_loop(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    assert records.crc32c(data) == slow_crc(data)


def test_record_writer():
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(b"abc")
    writer.flush()
    assert struct.unpack("<Q", file.getvalue()[:8]) == (3,)
    assert not writer.closed
    writer.close()
    assert writer.closed and file.closed


def test_scalars_in_order(tmp_path):
    with SummaryWriter(tmp_path, max_queue=2) as writer:
        for i in range(100):
            writer.add_scalar("x", flambeau.tensor(i * 0.5), i)
        writer.flush()
        assert [(s, v[2]) for s, _, v in values(tmp_path)] == [(i, i * 0.5) for i in range(100)]
    first = fields(records_of(glob.glob(f"{tmp_path}/events*")[0])[0])
    assert dict(first)[3] == b"brain.Event:2"
    assert abs(dict(first)[1] - time.time()) < 60


def test_number_beyond_float32(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", -1e300, 0)
    assert values(tmp_path)[0][2][2] == -np.inf


def test_close_and_go_on(tmp_path):
    writer = SummaryWriter(tmp_path, purge_step=5, filename_suffix=".v2")
    assert writer.get_logdir() == tmp_path
    writer.add_scalar("x", 1.0, 5)
    writer.close()
    writer.close()
    writer.flush()
    writer.add_scalar("x", 2.0, 6)
    writer.close()
    files = glob.glob(f"{tmp_path}/events*.v2")
    assert len(files) == 2
    assert sorted(s for s, _, _ in values(tmp_path)) == [5, 6]
    logs = [dict(fields(r)) for f in files for r in records_of(f)]
    assert [(e[2], e[7]) for e in logs if 7 in e] == [
        (5, b"\x08\x01")
    ]  # once, not in the second file


def test_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr1") as writer:
        assert writer.get_logdir().startswith("runs" + os.sep)
        assert writer.get_logdir().endswith("_lr1")
    assert glob.glob("runs/*/events*")


def test_file_writer(tmp_path):
    writer = FileWriter(tmp_path)
    with pytest.raises(TypeError, match="Expected an event_pb2.Event"):
        writer.event_writer.add_event("text")
    writer.close()
    with pytest.raises(OSError, match="closed"):
        writer.event_writer.add_event(flambeau.utils.tensorboard.messages.Event(step=1))
    writer.reopen()
    writer.add_event(flambeau.utils.tensorboard.messages.Event(), step=np.int32(3), walltime=7.0)
    writer.close()
    assert any(
        fields(r) == [(1, 7.0), (2, 3)] for f in glob.glob(f"{tmp_path}/*") for r in records_of(f)
    )


def run(program, folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], env=environment, stdout=subprocess.PIPE
    )


@pytest.mark.slow
def test_killed_process_leaves_a_readable_file(tmp_path):
    program = """
import sys, time
from flambeau.utils.tensorboard import SummaryWriter
w = SummaryWriter(sys.argv[1])
for i in range(20): w.add_scalar("x", i, i)
w.flush()
print("ready", flush=True)
while True: w.add_scalar("y", 1.0)
"""
    process = run(program, tmp_path)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    found = values(tmp_path)
    assert [s for s, tag, _ in found if tag == "x"] == list(range(20))


@pytest.mark.slow
def test_program_that_ends_without_closing_loses_nothing(tmp_path):
    program = """
import sys
from flambeau.utils.tensorboard import SummaryWriter
w = SummaryWriter(sys.argv[1], max_queue=1000)
for i in range(500): w.add_scalar("x", i, i)
"""
    assert run(program, tmp_path).communicate() and [s for s, _, _ in values(tmp_path)] == list(
        range(500)
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child_writes_too(tmp_path):
    writer = SummaryWriter(tmp_path, max_queue=1)
    child = os.fork()
    if not child:
        for i in range(20):
            writer.add_scalar("child", i, i)
        writer.flush()
        os._exit(0)
    for i in range(20):
        writer.add_scalar("parent", i, i)
    assert os.waitpid(child, 0)[1] == 0
    writer.close()
    assert sorted(t for _, t, _ in values(tmp_path)) == ["child"] * 20 + ["parent"] * 20


def test_full_disk_is_told(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    lane = records._Lane("/dev/full", 10)
    lane.put(b"abc")
    with pytest.raises(OSError, match="No space"):
        lane.flush()
    lane.close()


def test_png_is_what_was_given():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    data = png(pixels)
    size = struct.unpack(">I", data[33:37])[0]
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8).reshape(5, 22)
    assert (lines[:, 0] == 0).all() and (lines[:, 1:].reshape(5, 7, 3) == pixels).all()
    assert struct.unpack(">II", data[16:24]) == (7, 5)
    with pytest.raises(ValueError, match="channels"):
        png(np.zeros((2, 2, 5), np.uint8))


def test_sound_is_a_wav_file(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.warns(UserWarning, match="clipped"):
            writer.add_audio("x", flambeau.tensor([[0.0, 2.0, -2.0]]), 0, sample_rate=8000)
    sound = dict(fields(values(tmp_path)[0][2][6]))
    with wave.open(io.BytesIO(sound[4])) as file:
        assert file.getframerate() == 8000
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == [0, 32767, -32767]


def test_bool_hyperparameters_are_truth_values(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"flag": True}, {"m": 1.0}, run_name="r")
    content = values(tmp_path / "r")[1][2][9]
    assert b"flag\x12\x02\x20\x01" in content  # field 4 of google.protobuf.Value


@pytest.mark.parametrize("call, error, text", [
    (lambda w: w.add_scalar("x", flambeau.zeros(2)), AssertionError, "one element"),
    (lambda w: w.add_scalar("x", [1]), NotImplementedError, "list"),
    (lambda w: w.add_tensor("x", flambeau.zeros(2).to(flambeau.float8_e5m2)), ValueError, "unsupported"),
    (lambda w: w.add_histogram("x", flambeau.zeros(0)), ValueError, "no element"),
    (lambda w: w.add_histogram_raw("x", 0, 1, 2, 1, 1, [1], []), ValueError, "bucket_limits"),
    (lambda w: w.add_image("x", flambeau.zeros(3, 4)), AssertionError, "input format"),
    (lambda w: w.add_image("x", flambeau.zeros(3, 4), dataformats="HH"), AssertionError, "twice"),
    (lambda w: w.add_image("x", flambeau.zeros(3, 4, 5), dataformats="ABC"), AssertionError, "N, C, H"),
    (lambda w: w.add_audio("x", flambeau.zeros(2, 2)), AssertionError, "1 dimensional"),
    (lambda w: w.add_video("x", flambeau.zeros(2, 2)), AssertionError, "N, T, C, H, W"),
    (lambda w: w.add_hparams([], {}), TypeError, "dictionary"),
    (lambda w: w.add_hparams({"a": object()}, {}), ValueError, "one of int"),
    (lambda w: w.add_hparams({"a": 1}, {}, {"a": ["x"]}), TypeError, "same type"),
    (lambda w: w.add_custom_scalars_marginchart(["a"]), AssertionError, "Expected 3 tags"),
    (lambda w: w.add_mesh("x", flambeau.zeros(2, 3)), ValueError, "batch, count, 3"),
    (lambda w: w.add_embedding(flambeau.zeros(2)), AssertionError, "2D"),
    (lambda w: w.add_embedding(flambeau.zeros(2, 2), ["a"]), AssertionError, "#labels"),
    (lambda w: w.add_graph(flambeau.nn.ReLU()), ValueError, "input_to_model"),
    (lambda w: w.add_graph(3, flambeau.zeros(1)), TypeError, "module or a function"),
])  # fmt: skip
def test_errors(call, error, text, tmp_path):
    with SummaryWriter(tmp_path) as writer, pytest.raises(error, match=text):
        call(writer)


def test_graph_of_a_function_and_a_model_that_writes(tmp_path, capsys):
    class Counts(flambeau.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = flambeau.nn.BatchNorm1d(3)

        def forward(self, x, y):
            return self.norm(x) + y, y * 2

    with SummaryWriter(tmp_path) as writer:
        inputs = flambeau.randn(4, 3), flambeau.ones(3)
        writer.add_graph(Counts(), inputs, verbose=True)
        writer.add_graph(flambeau.sin, flambeau.ones(3))
    assert "def program(x" in capsys.readouterr().out
    graphs = [
        dict(fields(r))[4]
        for f in glob.glob(f"{tmp_path}/*")
        for r in records_of(f)
        if 4 in dict(fields(r))
    ]
    assert len(graphs) == 2
    names = [dict(fields(v))[1].decode() for n, v in fields(graphs[0]) if n == 1]
    assert len(names) == len(set(names))
    assert "Counts/BatchNorm1d[norm]/weight" in names
    assert [n for n in names if n.startswith("output/")] == ["output/output.1", "output/output.2"]


def test_film_is_a_gif(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    film = (np.random.default_rng(0).random((3, 4, 3, 8, 8)) * 255).astype(np.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_video("x", flambeau.tensor(film), 0, fps=10)
    picture = dict(fields(values(tmp_path)[0][2][4]))
    gif = Image.open(io.BytesIO(picture[4]))
    assert (gif.n_frames, gif.size, gif.info["duration"]) == (4, (32, 8), 100)


def test_summaries_by_hand(tmp_path):
    """`hparams` and a writer's own file, as programs use them to keep hyperparameters and scalars in one run."""
    from flambeau.utils.tensorboard.summary import hparams

    with SummaryWriter(tmp_path) as writer:
        for summary in hparams({"lr": 0.1}, {"loss": 1.0}):
            writer.file_writer.add_summary(summary)
        for tag, value in {"loss": 1.0}.items():
            writer.add_scalar(tag, value)
    assert [tag for _, tag, _ in values(tmp_path)] == [
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "loss"
    ]  # fmt: skip
