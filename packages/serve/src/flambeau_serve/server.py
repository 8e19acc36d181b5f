"""One server process: a socket, uvicorn, and a drain that loses no request.

On SIGTERM or Ctrl-C the server goes on listening, answers `ready` and new infer requests with 503, lets those in
flight finish, and then ends with code 0. A second signal, or the end of `drain_timeout`, answers what is left with 503
and ends the process with code 1.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any

import uvicorn

from .app import Service, Settings, create_app
from .errors import LoadError
from .loaders import load
from .metrics import Metrics
from .model import Model, TensorSpec

logger = logging.getLogger("flambeau_serve")


class BindError(OSError):
    """The address cannot be listened on: the message is one line that says why."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; BindError where the port is occupied or the host is not ours."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise BindError(f"host {host!r} is unknown: {error.strerror}") from None
    listener = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":  # elsewhere the option would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise BindError(
            f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}; "
            "choose another with --port (0 takes a free one)"
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL a browser on this machine opens for a listening socket."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:  # 0.0.0.0 is no address to open
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, with a drain that keeps listening until the last request is answered."""

    def __init__(
        self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self.on_ready = on_ready
        self._deadline = float("inf")
        self.gave_up = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler: drain first, leave at the second signal."""
        if self._service.draining:
            self._deadline = 0.0
        else:
            self.drain()

    def drain(self) -> None:
        """Refuse what is new and leave once what is in flight is answered."""
        if self._service.draining:
            return
        logger.info("draining: %d requests in flight", self._service.in_flight)
        self._deadline = time.monotonic() + self._service.settings.drain_timeout
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        if self._service.draining:
            late = time.monotonic() > self._deadline
            if late and self._service.in_flight:
                self.gave_up = True
                logger.error("gave up on %d requests in flight", self._service.in_flight)
                self._service.batcher.give_up()
            self.should_exit |= late or self._service.in_flight == 0
        return await super().on_tick(counter)


class Server:
    """Serves one model over HTTP: in a thread with `start` and `stop`, or in the main thread with `run`.

    `model` is a `Model`, an `nn.Module` or callable, or anything `flambeau_serve.load` takes. Port 0 takes a free
    one. Further arguments are those of `Settings`.

    >>> import numpy as np
    >>> from flambeau_serve import Model, Server
    >>> with Server(Model(lambda arrays: {"y": arrays["x"] + 1}, name="plus")) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        model: object,
        *,
        name: str | None = None,
        inputs: Iterable[TensorSpec] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        listener: socket.socket | None = None,
        metrics: Metrics | None = None,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        if settings is not None and options:
            raise TypeError("give either settings or single options, not both")
        self.settings = settings or Settings(**options)
        self.listener = listener or bind(host, port)
        try:
            self.model: Model = load(model, name=name, inputs=inputs)
            self.model.warm_up()
        except BaseException:
            self.listener.close()
            raise
        self.url = url_of(self.listener)
        self._metrics = metrics
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._uvicorn = self._make_uvicorn()
        self._thread: threading.Thread | None = None

    def _make_uvicorn(self) -> _Uvicorn:
        app = create_app(self.model, self.settings, metrics=self._metrics)
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,  # what is in flight was waited for before
        )
        return _Uvicorn(config, app.state.service, self._ready.set)

    def run(self, on_ready: Callable[[], None] | None = None) -> int:
        """Serve in this thread until SIGTERM or Ctrl-C; the exit code is 0 if no request was lost."""
        if on_ready is not None:
            self._uvicorn.on_ready = on_ready
        self._uvicorn.run(sockets=[self.listener])
        return int(self._uvicorn.gave_up or not self._uvicorn.started)

    def start(self) -> Server:
        """Serve in a thread; returns once requests are answered."""
        if self._thread is not None:
            raise RuntimeError("the server was started before; make a new one")
        self._thread = threading.Thread(
            target=self._serve_thread, name="flambeau-serve-http", daemon=True
        )
        self._thread.start()
        while not self._ready.wait(0.05):
            if self._ended.is_set():
                raise LoadError("the server ended while starting; see the log")
        return self

    def _serve_thread(self) -> None:
        try:
            self._uvicorn.run(sockets=[self.listener])
        finally:
            self._ended.set()

    def stop(self, timeout: float | None = None) -> None:
        """Drain, end and join the thread; TimeoutError where that takes longer than `timeout` seconds."""
        if self._thread is None:
            self.listener.close()
            return
        self._uvicorn.drain()
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the server did not end within {timeout} s")

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
