"""The command as a process: quick, one line for each mistake, no request lost, dead workers replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from flambeau_serve import Server, __version__
from flambeau_serve.cli import main

Start = Callable[..., object]
Body = Callable[..., dict[str, object]]
INFER = "/v2/models/slow/infer"


def outputs(answer: httpx.Response) -> dict[str, float]:
    return {output["name"]: output["data"][0] for output in answer.json()["outputs"]}


class Request(threading.Thread):
    """One infer request under way."""

    def __init__(self, url: str, body: dict[str, object]) -> None:
        super().__init__()
        self._url, self._body = url + INFER, body
        self.answer: httpx.Response | None = None
        self.start()

    def run(self) -> None:
        self.answer = httpx.post(self._url, json=self._body, timeout=20)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_flight(url: str) -> bool:
    return "flambeau_in_flight 1\n" in httpx.get(f"{url}/metrics").text


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert project["scripts"] == {"flambeau-serve": "flambeau_serve.cli:main"}
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"flambeau-serve {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from flambeau_serve.cli import main\n"
        "try:\n    main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'flambeau', 'starlette', 'uvicorn', 'asyncio', 'PIL'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "module:attribute" in done.stdout
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "required: command"),
        (["run"], "required: MODEL"),
        (["run", "x", "--port", "70000"], "must be from 0 to 65535"),
        (["run", "x", "--port", "http"], "expected a whole number, got 'http'"),
        (["run", "x", "--workers", "0"], "must be from 1 up"),
        (["run", "x", "--input", "x:FP31:1"], "datatype 'FP31' is unknown"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "model, words",
    [
        ("nothing.onnx", "nothing.onnx: no such file or folder"),
        ("served:text", "served:text is a str, which cannot be called"),
    ],
)
def test_a_model_that_is_not_there(command: Start, workers: str, model: str, words: str) -> None:
    process = command("run", model, "--port=0", f"--workers={workers}")
    assert process.wait() == 1
    lines = process.log.splitlines()
    assert lines
    assert all(line.startswith("flambeau-serve: error: " + words) for line in lines)


@pytest.mark.slow
def test_an_occupied_port_is_one_line(command: Start, plain: object) -> None:
    with Server(plain) as server:
        port = server.url.rpartition(":")[2]
        for workers in ("1", "2"):
            process = command("run", "served:slow", f"--port={port}", f"--workers={workers}")
            assert process.wait() == 1
            assert process.log == (
                f"flambeau-serve: error: cannot listen on 127.0.0.1 port {port}: address already "
                "in use; choose another with --port (0 takes a free one)\n"
            )


@pytest.mark.slow
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(command: Start, body: Body, sig: signal.Signals) -> None:
    process = command("run", "served:slow", "--port=0")
    url = process.url()
    with httpx.Client(base_url=url) as client:
        assert client.get("/v2/health/ready").status_code == 200
        request = Request(url, body(1))
        wait_for(lambda: in_flight(url))
        process.process.send_signal(sig)
        wait_for(lambda: client.get("/v2/health/ready").status_code == 503)
        assert client.get("/v2/models/slow/ready").status_code == 503
        assert client.get("/v2/health/live").status_code == 200
        late = client.post(INFER, json=body(0))
        assert late.status_code == 503
        assert late.json() == {"error": "the server is shutting down"}
        assert "retry-after" in late.headers
    request.join()
    assert outputs(request.answer)["y"] == 2.0
    assert process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["timeout", "second signal"])
def test_a_drain_does_not_wait_for_ever(command: Start, body: Body, how: str) -> None:
    patience = "0.1" if how == "timeout" else "60"
    process = command("run", "served:slow", "--port=0", f"--drain-timeout={patience}")
    url = process.url()
    request = Request(url, body(30))
    wait_for(lambda: in_flight(url))
    process.process.terminate()
    if how == "second signal":
        wait_for(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 503)
        process.process.terminate()
    assert process.wait() == 1
    request.join()
    assert request.answer.status_code == 503
    assert request.answer.json() == {"error": "the server stopped before the answer"}
    assert "gave up on 1 requests in flight" in process.log


@pytest.mark.slow
def test_workers_share_the_work_and_are_replaced(command: Start, body: Body) -> None:
    process = command("run", "served:slow", "--port=0", "--workers=2", "--name=slow")
    url = process.url()
    pids: set[float] = set()

    def both_answered() -> bool:  # the second worker may still be starting when the first answers
        requests = [Request(url, body(0.1)) for _ in range(4)]
        for request in requests:
            request.join()
        pids.update(outputs(request.answer)["pid"] for request in requests)
        return len(pids) == 2

    wait_for(both_answered)
    with pytest.raises(httpx.HTTPError):
        httpx.post(url + INFER, json=body(-1))  # this worker ends in the middle of the request
    wait_for(lambda: "starting another" in process.log)
    died = next(pid for pid in pids if f"(pid {pid}) died: exit code 3; starting" in process.log)

    def replaced() -> bool:
        pid = outputs(httpx.post(url + INFER, json=body(0)))["pid"]
        return pid not in pids

    wait_for(replaced)
    assert "flambeau_worker_restarts_total 1\n" in httpx.get(f"{url}/metrics").text
    last = Request(url, body(0.5))
    wait_for(lambda: in_flight(url))
    process.process.terminate()
    last.join()
    assert outputs(last.answer)["y"] == 1.0
    assert outputs(last.answer)["pid"] != died
    assert process.wait() == 0


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_reaches_workers_once(command: Start, body: Body) -> None:
    process = command("run", "served:slow", "--port=0", "--workers=2")
    url = process.url()
    request = Request(url, body(1))
    wait_for(lambda: in_flight(url))
    os.killpg(process.process.pid, signal.SIGINT)  # as a terminal does: the whole group
    request.join()
    assert outputs(request.answer)["y"] == 2.0
    assert process.wait() == 0


@pytest.mark.slow
def test_no_worker_is_left_behind(command: Start, body: Body) -> None:
    process = command("run", "served:slow", "--port=0", "--workers=2")
    url = process.url()
    assert httpx.post(url + INFER, json=body(0)).is_success
    process.process.kill()

    def gone() -> bool:
        try:
            httpx.get(f"{url}/v2/health/live", timeout=1)
        except httpx.HTTPError:
            return True
        return False

    wait_for(gone)


@pytest.mark.slow
def test_options_reach_the_workers(command: Start) -> None:
    process = command(
        "run", "served:slow", "--port=0", "--workers=2", "--name=other", "--max-body=50"
    )
    url = process.url()
    assert httpx.get(f"{url}/v2/models/other").json()["name"] == "other"
    large = httpx.post(f"{url}/v2/models/other/infer", content=json.dumps({"inputs": ["x" * 60]}))
    assert large.status_code == 413
    process.process.send_signal(signal.SIGINT)
    assert process.wait() == 0


@pytest.mark.slow
def test_errors_in_user_code_show_where(command: Start) -> None:
    process = command("run", "served:broken()", "--port=0")
    assert process.wait() == 1
    assert 'served.py", line' in process.log
    assert "ZeroDivisionError: in the user's own code" in process.log
