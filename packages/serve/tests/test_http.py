"""The whole of HTTP, on a real socket: the protocol's routes, pictures, and a clear answer to everything wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from flambeau_serve import InputError, Model, Server, TensorSpec, __version__

Serve = Callable[..., httpx.Client]
Body = Callable[..., dict[str, object]]


def refused(response: httpx.Response, status: int, words: str) -> None:
    """The answer is this status and one line of JSON with these words."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    assert words in response.json()["error"]


def test_health_and_metadata(serve: Serve, plain: Model) -> None:
    client = serve(plain)
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/plain/ready").json() == {"name": "plain", "ready": True}
    server = {
        "name": "flambeau-serve",
        "version": __version__,
        "extensions": ["binary_tensor_data"],
    }
    assert client.get("/v2").json() == client.get("/v2/").json() == server
    metadata = {
        "name": "plain",
        "versions": ["1"],
        "platform": "flambeau",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    }
    assert client.get("/v2/models/plain").json() == metadata
    assert client.get("/v2/models/plain/versions/1").json() == metadata


def test_infer(serve: Serve, plain: Model, body: Body) -> None:
    client = serve(plain)
    answer = client.post("/v2/models/plain/infer", json=body(1, 2) | {"id": "q"})
    assert answer.json() == {
        "model_name": "plain",
        "model_version": "1",
        "id": "q",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [2.0, 3.0]}],
    }
    assert answer.headers["server-timing"].startswith("predict;dur=")
    curl = {"content-type": "application/x-www-form-urlencoded"}
    text = json.dumps(body(1))
    assert client.post("/v2/models/plain/infer", content=text, headers=curl).is_success
    assert client.post("/v2/models/plain/versions/1/infer", content=text).is_success


def test_infer_binary(serve: Serve, plain: Model) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}
    head = json.dumps({"inputs": [x], "parameters": {"binary_data_output": True}}).encode()
    answer = serve(plain).post(
        "/v2/models/plain/infer",
        content=head + np.array([1, np.nan], dtype="<f4").tobytes(),
        headers={
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(head)),
        },
    )
    length = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.content[:length])["outputs"][0]
    assert output["parameters"] == {"binary_data_size": 8}
    np.testing.assert_array_equal(np.frombuffer(answer.content[length:], "<f4"), [2, np.nan])


def test_large_bodies_are_the_same(serve: Serve, plain: Model, body: Body) -> None:
    values = np.arange(50_000, dtype=np.float32)
    answer = serve(plain).post("/v2/models/plain/infer", json=body(*values.tolist()))
    np.testing.assert_array_equal(answer.json()["outputs"][0]["data"], values + 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_answered(
    serve: Serve, digits: Model, picture: Callable[..., bytes], kind: str
) -> None:
    client = serve(digits)
    raw = client.post(
        "/v2/models/digits/infer",
        content=picture(kind, size=100),
        headers={"content-type": f"image/{kind.lower()}"},
    )
    outputs = {output["name"]: output for output in raw.json()["outputs"]}
    assert outputs["label"] == {
        "name": "label",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["south-east"],
    }
    assert outputs["probability"]["data"][3] > 0.99
    form = client.post("/v2/models/digits/infer", files={"image": picture(kind)})
    assert {output["name"]: output["shape"] for output in form.json()["outputs"]} == {
        "logits": [1, 4],
        "label": [1],
        "probability": [1, 4],
    }


def test_several_pictures_are_one_batch(
    serve: Serve, digits: Model, picture: Callable[..., bytes]
) -> None:
    files = [("a", picture()), ("b", picture("JPEG")), ("a", picture(mode="RGB"))]
    answer = serve(digits).post("/v2/models/digits/infer", files=files).json()
    assert answer["outputs"][1]["data"] == ["south-east"] * 3


def test_bad_pictures(serve: Serve, digits: Model, plain: Model) -> None:
    client = serve(digits)
    png = {"content-type": "image/png"}
    refused(client.post("/v2/models/digits/infer", content=b"x", headers=png), 415, "not a PNG")
    refused(client.post("/v2/models/digits/infer", content=b"", headers=png), 415, "not a PNG")
    refused(client.post("/v2/models/digits/infer", data={"a": "b"}, files={}), 400, "not JSON")
    form = {"content-type": "multipart/form-data; boundary=x"}
    empty = b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    refused(client.post("/v2/models/digits/infer", content=empty, headers=form), 400, "no file")
    refused(client.post("/v2/models/digits/infer", content=b"?", headers=form), 400, "")
    bare = {"content-type": "multipart/form-data"}
    refused(client.post("/v2/models/digits/infer", content=empty, headers=bare), 400, "boundary")
    other = serve(plain)
    refused(
        other.post("/v2/models/plain/infer", content=b"x", headers=png), 415, "takes no pictures"
    )


def test_wrong_paths_and_methods(serve: Serve, plain: Model, body: Body) -> None:
    client = serve(plain)
    refused(
        client.get("/v2/models/other"), 404, "model 'other' is unknown; this server has 'plain'"
    )
    refused(client.post("/v2/models/other/infer", json=body(1)), 404, "is unknown")
    refused(client.get("/v2/models/plain/versions/2"), 404, "no version '2'")
    refused(client.get("/v3"), 404, "no such path: /v3")
    refused(client.get("/v2/models/plain/infer"), 405, "GET is not allowed here")
    assert client.get("/v2/models/plain/infer").headers["allow"] == "POST"


def test_wrong_tensors(serve: Serve, plain: Model, body: Body) -> None:
    post = serve(plain).post
    path = "/v2/models/plain/infer"
    refused(post(path, content=b"{"), 400, "not JSON")
    refused(post(path, json=body(1, name="z")), 400, "input 'z' is unknown; model 'plain' takes x")
    refused(post(path, json=body(1, datatype="INT8")), 400, "datatype INT8; expected FP32")
    two = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1]}
    refused(post(path, json={"inputs": [two]}), 400, "shape [1, 1]; expected [-1]")
    asked = body(1) | {"outputs": [{"name": "q"}]}
    refused(post(path, json=asked), 400, "output 'q' is unknown; model 'plain' gives y")
    for length in ("-1", "x", "9" * 30, "1e3"):
        headers = {"inference-header-content-length": length}
        refused(post(path, content=b"{}", headers=headers), 400, "must be a number of bytes")
    refused(post(path, content=b"x", headers={"content-type": "text/html"}), 415, "'text/html'")
    refused(post(path, content=b"x", headers={"content-encoding": "gzip"}), 415, "'gzip'")


def test_too_large_is_refused_announced_or_not(serve: Serve, plain: Model) -> None:
    client = serve(plain, max_body=1000)
    path = "/v2/models/plain/infer"
    refused(client.post(path, content=b" " * 1001), 413, "larger than 1000 bytes")
    refused(client.post(path, content=iter([b" " * 600] * 2)), 413, "larger than 1000 bytes")
    refused(client.post(path, content=b" " * 20_000_000), 413, "larger than 1000 bytes")
    refused(client.post(path, content=b" " * 1000), 400, "not JSON")
    roomy = serve(plain, max_body=1_000_000)  # more than what arrives in one piece
    refused(roomy.post(path, content=iter([b" " * 100_000] * 11)), 413, "larger than 1000000")


def test_a_client_that_sends_all_before_it_listens_is_told(serve: Serve, plain: Model) -> None:
    client = serve(plain, max_body=1000)
    url = str(client.base_url) + "/v2/models/plain/infer"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, b" " * 20_000_000)
    with caught.value as answer:
        assert answer.code == 413
        assert b"larger than 1000 bytes" in answer.read()


def test_an_announced_size_is_refused_unread(serve: Serve, plain: Model) -> None:
    client = serve(plain)
    with socket.create_connection((client.base_url.host, client.base_url.port), 5) as connection:
        connection.sendall(
            b"POST /v2/models/plain/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999999\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.slow
def test_a_body_that_never_comes(serve: Serve, plain: Model) -> None:
    client = serve(plain, read_timeout=0.2)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(
            b"POST /v2/models/plain/infer HTTP/1.1\r\nhost: x\r\n"
            b"connection: close\r\ncontent-length: 9\r\n\r\n{"
        )
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 0.2 s" in answer


def test_a_client_that_leaves_leaves_room(serve: Serve, plain: Model, body: Body) -> None:
    client = serve(plain, max_queue=1)
    head = b"POST /v2/models/plain/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(head)
        while client.post("/v2/models/plain/infer", json=body(1)).status_code != 503:
            time.sleep(0.005)  # until the half request has taken the one place
    while (answer := client.post("/v2/models/plain/infer", json=body(1))).status_code == 503:
        time.sleep(0.005)
    assert answer.is_success


def test_a_full_queue_answers_at_once(serve: Serve, body: Body) -> None:
    entered, leave = threading.Event(), threading.Event()

    def predict(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        entered.set()
        assert leave.wait(20)
        return arrays

    client = serve(Model(predict), max_queue=1)
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(httpx.post(f"{client.base_url}/v2/models/model/infer", json=body(1)))

    waiting = threading.Thread(target=post)
    waiting.start()
    assert entered.wait(20)
    full = client.post("/v2/models/model/infer", json=body(1))
    assert client.get("/v2/health/ready").is_success
    leave.set()
    waiting.join(20)
    refused(full, 503, "the queue is full: 1 requests")
    assert full.headers["retry-after"] == "1"
    assert answers[0].is_success
    assert client.post("/v2/models/model/infer", json=body(1)).is_success


def test_wrong_tensors_do_not_wait_for_the_model(serve: Serve, body: Body) -> None:
    entered, leave = threading.Event(), threading.Event()

    def predict(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        entered.set()
        assert leave.wait(20)
        return arrays

    client = serve(Model(predict, inputs=[TensorSpec("x", "FP32", (1, -1))]))
    x = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1]}
    url = f"{client.base_url}/v2/models/model/infer"
    waiting = threading.Thread(target=lambda: httpx.post(url, json={"inputs": [x]}))
    waiting.start()
    assert entered.wait(20)
    refused(client.post("/v2/models/model/infer", json=body(1)), 400, "expected [1, -1]")
    leave.set()
    waiting.join(20)


@pytest.mark.parametrize(
    "declared, error, status, words",
    [
        (True, ValueError("odd"), 500, "model 'model' failed: ValueError: odd"),
        (False, ValueError("odd"), 400, "model 'model' failed: ValueError: odd"),
        (False, KeyError("odd"), 500, "KeyError"),
        (False, SystemExit(2), 500, "the model raised SystemExit(2)"),
        (True, InputError("token 9 is unknown"), 400, "token 9 is unknown"),
    ],
)
def test_a_model_that_fails(
    serve: Serve, body: Body, declared: bool, error: BaseException, status: int, words: str
) -> None:
    def predict(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if arrays["x"].any():
            raise error
        return {"y": np.zeros(1)}

    inputs = [TensorSpec("x", "FP32", (1,))] if declared else []
    client = serve(Model(predict, inputs=inputs))
    refused(client.post("/v2/models/model/infer", json=body(1)), status, words)
    assert client.post("/v2/models/model/infer", json=body(0)).is_success


def test_an_output_that_cannot_be_said(serve: Serve) -> None:
    spec = TensorSpec("x", "FP32", (-1, -1))  # a free size: nothing is run before the first request
    client = serve(Model(lambda arrays: {"y": np.ones(1, complex)}, inputs=[spec]))
    x = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1]}
    refused(client.post("/v2/models/model/infer", json={"inputs": [x]}), 500, "complex128")


def test_the_page_stands_alone(serve: Serve, plain: Model) -> None:
    nasty = Model(plain.predict, name="plain", inputs=plain.inputs, labels=["</script><b>"])
    page = serve(nasty).get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "</script><b>" not in page.text
    assert "{{" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_metrics_count(serve: Serve, plain: Model, body: Body) -> None:
    client = serve(plain)
    for request in (body(1), body(1), {}):
        client.post("/v2/models/plain/infer", json=request)
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert 'flambeau_requests_total{route="infer",code="200"} 2' in lines
    assert 'flambeau_requests_total{route="infer",code="400"} 1' in lines
    assert 'flambeau_infer_seconds_bucket{le="+Inf"} 3' in lines
    assert "flambeau_infer_seconds_count 3" in lines
    assert "flambeau_batched_requests_total 2" in lines
    assert "flambeau_in_flight 0" in lines


def test_servers_start_stop_and_let_the_port_go(plain: Model) -> None:
    server = Server(plain).start()
    port = int(server.url.rpartition(":")[2])
    assert httpx.get(f"{server.url}/v2/health/live").is_success
    with pytest.raises(RuntimeError, match="was started before"):
        server.start()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}: address already"):
        Server(plain, port=port)
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/v2/health/live")
    with Server(plain, port=port) as again:
        assert httpx.get(f"{again.url}/v2/health/live").is_success


def test_bad_addresses_and_settings(plain: Model) -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        Server(plain, host="192.0.2.1")
    with pytest.raises(ValueError, match="max_queue must be from 1 up, got 0"):
        Server(plain, max_queue=0)


def test_ipv6_where_there_is_one(plain: Model) -> None:
    try:
        server = Server(plain, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/v2/health/live").is_success
