"""The HTTP side: the Open Inference Protocol's routes, pictures, the page and metrics, as one ASGI application.

Every refusal is JSON, `{"error": "one line"}`, with the status that says whose fault it is. A body is measured while
it comes in, and a request that finds the queue full or the server leaving is answered before its body is read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import __version__
from .batching import Batcher
from .datatypes import Array
from .errors import InputError, ServeError
from .images import MEDIA_TYPES, ImageReader
from .metrics import IN_FLIGHT, Metrics
from .model import Model
from .page import page_of
from .protocol import HEADER, InferRequest, dump_json, parse, render

_T = TypeVar("_T")

logger = logging.getLogger("flambeau_serve")

# Above this a body is parsed in a thread: 256 KiB of JSON take a few milliseconds.
_PARSE_IN_THREAD = 256 * 1024
# A body up to this size is read to its end, if that comes soon, before it is refused as too large.
_READ_ON_BYTES = 256 * 1024 * 1024
_READ_ON_SECONDS = 2.0
# `curl -d` says "form", many clients say nothing, and binary tensor data is an octet stream.
_TENSOR_TYPES = frozenset(
    {"", "application/json", "application/octet-stream", "application/x-www-form-urlencoded"}
)
# What a model without declared inputs raises for tensors that do not fit it.
_MISFITS = (ValueError, TypeError, IndexError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one server process admits.

    `max_batch` rows are joined at most (1 is off), `max_queue` infer requests wait or run at once, a body has at most
    `max_body` bytes and `read_timeout` seconds to arrive, and a drain waits `drain_timeout` seconds.
    """

    max_batch: int = 1
    max_queue: int = 64
    max_body: int = 16 * 1024 * 1024
    read_timeout: float = 30.0
    drain_timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_batch", "max_queue", "max_body"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 1 up, got {getattr(self, name)}")


class Service:
    """The state behind the routes: the model, its queue, and whether the server is leaving."""

    def __init__(self, model: Model, settings: Settings, metrics: Metrics) -> None:
        self.model = model
        self.settings = settings
        self.metrics = metrics
        self.batcher = Batcher(model, max_batch=settings.max_batch, metrics=metrics)
        self.in_flight = 0
        self.draining = False

    def admit(self) -> None:
        """ServeError 503 where one more infer request would be one too many."""
        if self.draining:
            raise ServeError("the server is shutting down", status=503, retry_after=5)
        if self.in_flight >= self.settings.max_queue:
            raise ServeError(
                f"the queue is full: {self.in_flight} requests are waiting or running",
                status=503,
                retry_after=1,
            )


def create_app(
    model: Model, settings: Settings | None = None, *, metrics: Metrics | None = None
) -> Starlette:
    """The ASGI application that serves `model`, for uvicorn or any other ASGI server.

    `app.state.service` is its `Service`.
    """
    service = Service(model, settings or Settings(), metrics or Metrics())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        service.batcher.close()

    app = Starlette(routes=_routes(), lifespan=lifespan, exception_handlers=_EXCEPTION_HANDLERS)
    app.add_middleware(_Gate, service=service)
    app.state.service = service
    return app


class _Gate:
    """Counts every request, and lets an infer request in only while there is room for it."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        route = _route_name(scope["path"])
        try:
            if route == "infer":
                await self._infer(scope, receive, watch)
            else:
                await self.app(scope, receive, watch)
        finally:
            self.service.metrics.observe_request(route, status, time.perf_counter() - started)

    async def _infer(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self.service
        try:
            service.admit()
        except ServeError as error:
            await _refusal(error)(scope, receive, send)
            return
        service.in_flight += 1
        service.metrics.add(IN_FLIGHT)
        try:
            await self.app(scope, _Limited(receive, scope, service.settings), send)
        finally:
            service.in_flight -= 1
            service.metrics.add(IN_FLIGHT, -1)


class _Limited:
    """A `receive` that refuses a body which grows beyond its limit or does not arrive in time."""

    def __init__(self, receive: Receive, scope: Scope, settings: Settings) -> None:
        self._receive = receive
        self._declared = _content_length(scope)
        self._limit = settings.max_body
        self._timeout = settings.read_timeout
        self._deadline = time.monotonic() + settings.read_timeout
        self._size = 0
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:  # whoever waits now waits for the client to leave
            return await self._receive()
        if self._declared > self._limit:
            await self._read_on()
            raise self._too_large()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise InputError(
                f"the body did not arrive within {self._timeout:g} s", status=408
            ) from None
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > self._limit:
            await self._read_on()
            raise self._too_large()
        return message

    async def _read_on(self) -> None:
        """Drops what is left of a body that is not much too large.

        Many clients listen only when all is sent: to them a refusal in between is a broken connection.
        """
        end = min(self._deadline, time.monotonic() + _READ_ON_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, end - time.monotonic())):
                while not self._complete and max(self._size, self._declared) <= _READ_ON_BYTES:
                    message = await self._receive()
                    self._size += len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)

    def _too_large(self) -> InputError:
        return InputError(f"the body is larger than {self._limit} bytes", status=413)


def _content_length(scope: Scope) -> int:
    """The announced size of the body; the server has already refused what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def _route_name(path: str) -> str:
    """The name under which a path is counted: few, whatever clients ask for."""
    if path.endswith("/infer"):
        return "infer"
    if path.startswith("/v2/health") or path.endswith("/ready"):
        return "health"
    if path.startswith("/v2"):
        return "metadata"
    return {"/": "page", "/metrics": "metrics"}.get(path, "other")


def _routes() -> list[Route]:
    routes = [
        Route("/", _page),
        Route("/metrics", _metrics),
        Route("/v2", _server_metadata),
        Route("/v2/", _server_metadata),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", _ready),
    ]
    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            Route(prefix, _model_metadata),
            Route(f"{prefix}/ready", _model_ready),
            Route(f"{prefix}/infer", _infer, methods=["POST"]),
        ]
    return routes


def _json(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dump_json(document), status, headers, media_type="application/json")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _model(request: Request) -> Model:
    """The model a path names; ServeError 404 for any other."""
    model = _service(request).model
    name = request.path_params["name"]
    version = request.path_params.get("version", model.version)
    if name != model.name:
        raise ServeError(f"model {name!r} is unknown; this server has {model.name!r}", status=404)
    if version != model.version:
        raise ServeError(
            f"model {name!r} has no version {version!r}; it has {model.version!r}", status=404
        )
    return model


async def _live(_request: Request) -> Response:
    return _json({"live": True})


async def _ready(request: Request) -> Response:
    ready = not _service(request).draining
    return _json({"ready": ready}, 200 if ready else 503)


async def _model_ready(request: Request) -> Response:
    model = _model(request)
    ready = not _service(request).draining
    return _json({"name": model.name, "ready": ready}, 200 if ready else 503)


async def _server_metadata(_request: Request) -> Response:
    return _json(
        {
            "name": "flambeau-serve",
            "version": __version__,
            "extensions": ["binary_tensor_data"],
        }
    )


async def _model_metadata(request: Request) -> Response:
    return _json(_model(request).metadata())


async def _metrics(request: Request) -> Response:
    return PlainTextResponse(
        _service(request).metrics.render(), media_type="text/plain; version=0.0.4"
    )


async def _page(request: Request) -> Response:
    body, headers = page_of(_service(request).model)
    return HTMLResponse(body, headers=headers)


async def _infer(request: Request) -> Response:
    model = _model(request)
    service = _service(request)
    wanted = await _read_request(request, model)
    model.check(wanted.inputs)
    try:
        answer = await service.batcher.submit(wanted.inputs)
    except ServeError:
        raise
    except Exception as error:  # a model may raise anything; its requester hears of it
        raise _failure(model, error) from error
    body, headers = await _maybe_in_thread(
        sum(array.nbytes for array in answer.outputs.values()),
        lambda: _render(model, answer.outputs, wanted),
    )
    headers["server-timing"] = f"predict;dur={answer.seconds * 1000:.3f}"
    return Response(body, headers=headers)


def _render(
    model: Model, outputs: dict[str, Array], wanted: InferRequest
) -> tuple[bytes, dict[str, str]]:
    try:
        return render(outputs, model=model.name, version=model.version, request=wanted)
    except TypeError as error:  # an output of a dtype the protocol does not have
        raise _failure(model, error) from error


def _failure(model: Model, error: Exception) -> ServeError:
    """400 where inputs went unchecked and the model complains about them, else 500."""
    text = f"model {model.name!r} failed: {type(error).__name__}: {error}"
    if not model.inputs and isinstance(error, _MISFITS):
        return InputError(text)
    logger.error("%s", text, exc_info=error)
    return ServeError(text, status=500)


async def _read_request(request: Request, model: Model) -> InferRequest:
    """The tensors of a request: JSON, binary tensor data, or pictures."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":  # a small body may unfold into a huge one
        raise InputError(f"content encoding {encoding!r} is not served; send it plain", status=415)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _TENSOR_TYPES:
        body = await request.body()
        length = _header_length(request)
        return await _maybe_in_thread(len(body), lambda: parse(body, length))
    if media_type in MEDIA_TYPES:
        reader = _reader(model)
        picture = await request.body()
        return await _maybe_in_thread(_PARSE_IN_THREAD, lambda: _pictures(reader, [picture]))
    if media_type == "multipart/form-data":
        reader = _reader(model)
        pictures = await _uploads(request)
        return await _maybe_in_thread(_PARSE_IN_THREAD, lambda: _pictures(reader, pictures))
    raise InputError(
        f"content type {media_type!r} is not served; expected application/json, "
        "image/png, image/jpeg or multipart/form-data",
        status=415,
    )


async def _maybe_in_thread(size: int, work: Callable[[], _T]) -> _T:
    """Do the work here where it is small, else in a thread: the loop must not stall."""
    return work() if size < _PARSE_IN_THREAD else await asyncio.to_thread(work)


def _header_length(request: Request) -> int | None:
    text = request.headers.get(HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"{HEADER} must be a number of bytes, got {text[:40]!r}")
    return int(text)


def _reader(model: Model) -> ImageReader:
    if model.image is None:
        raise InputError(
            f"model {model.name!r} takes no pictures; send tensors as JSON", status=415
        )
    return model.image


async def _uploads(request: Request) -> list[bytes]:
    """The files of a multipart form, in order."""
    await request.body()
    try:
        async with request.form(max_files=256) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            pictures = [await file.read() for file in files]
    except FormParserError as error:  # older Starlettes let it through
        raise InputError(f"the form is broken: {error}") from None
    if not pictures:
        raise InputError("the form holds no file; send a picture as a file field")
    return pictures


def _pictures(reader: ImageReader, pictures: list[bytes]) -> InferRequest:
    arrays: list[Array] = [reader.read(picture) for picture in pictures]
    return InferRequest({reader.spec.name: np.concatenate(arrays)})


def _refusal(error: ServeError) -> Response:
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _json({"error": str(error)}, error.status, headers)


async def _on_serve_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServeError)
    return _refusal(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = {
        404: f"no such path: {request.url.path}",
        405: f"{request.method} is not allowed here",
    }.get(error.status_code, error.detail)
    return _json({"error": text}, error.status_code, dict(error.headers or {}))


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return _json({"error": "the client left before its body was complete"}, 400)


async def _on_crash(_request: Request, error: Exception) -> Response:
    return _json({"error": f"internal error: {type(error).__name__}"}, 500)


_Handler = Callable[[Request, Exception], Awaitable[Response]]
_EXCEPTION_HANDLERS: dict[Any, _Handler] = {
    ServeError: _on_serve_error,
    HTTPException: _on_http_error,
    ClientDisconnect: _on_disconnect,
    Exception: _on_crash,
}
