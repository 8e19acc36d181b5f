"""The command `flambeau-serve run MODEL`: arguments in, one line per mistake out.

Nothing heavy is imported before the arguments are known to be right, so that `--help` and a typing error answer at
once. Exit codes: 0 after a clean drain, 1 where serving failed, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import __version__

if TYPE_CHECKING:
    from .app import Settings
    from .model import TensorSpec

_EXAMPLES = """\
MODEL is one of
  digits.onnx            an ONNX file, as flambeau.onnx.export writes it
  folder/                a folder with model.json (names the file; labels, preprocess) and that file
  package.module:net     an nn.Module or function in Python code; module:make() calls make first

examples:
  flambeau-serve run digits.onnx
  flambeau-serve run mycode:net --input image:FP32:-1,1,28,28 --port 9000 --workers 2
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=arguments.log_level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    # uvicorn's own notes on starting and stopping say nothing that ours do not.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    from .app import Settings
    from .errors import LoadError
    from .server import BindError

    sys.path.insert(0, os.getcwd())  # module:attribute means modules of the current folder first
    try:
        settings = Settings(
            max_batch=arguments.max_batch,
            max_queue=arguments.max_queue,
            max_body=arguments.max_body,
            drain_timeout=arguments.drain_timeout,
        )
        if arguments.worker:
            return _work(arguments, settings)
        if arguments.workers > 1:
            return _supervise(arguments)
        return _serve(arguments, settings)
    except (LoadError, BindError) as error:
        sys.stderr.write(f"flambeau-serve: error: {error}\n")
        return 1


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    from .server import Server

    server = Server(
        arguments.model,
        name=arguments.name,
        inputs=arguments.input,
        host=arguments.host,
        port=arguments.port,
        settings=settings,
    )
    return server.run(lambda: _announce(server.model.name, server.url, 1))


def _supervise(arguments: argparse.Namespace) -> int:
    from .server import bind, url_of
    from .workers import Supervisor

    listener = bind(arguments.host, arguments.port)
    url = url_of(listener)
    argv = [sys.executable, "-m", "flambeau_serve", *_worker_arguments(arguments)]
    supervisor = Supervisor(listener, argv, arguments.workers)
    return supervisor.run(lambda: _announce(arguments.model, url, arguments.workers))


def _work(arguments: argparse.Namespace, settings: Settings) -> int:
    """Be one worker of a supervisor that handed down what it listens on."""
    import socket

    from .metrics import Metrics
    from .server import Server
    from .workers import end_with_supervisor, say_ready

    row, rows, listener_fd, counters_fd, ready_fd = map(int, arguments.worker.split(","))
    metrics = Metrics(fd=counters_fd, rows=rows, row=row)
    metrics.reset_gauges()
    server = Server(
        arguments.model,
        name=arguments.name,
        inputs=arguments.input,
        listener=socket.socket(fileno=listener_fd),
        metrics=metrics,
        settings=settings,
    )
    end_with_supervisor()
    return server.run(lambda: say_ready(ready_fd))


def _worker_arguments(arguments: argparse.Namespace) -> list[str]:
    argv = ["run", arguments.model]
    for key in ("name", "max_batch", "max_queue", "max_body", "drain_timeout", "log_level"):
        value = getattr(arguments, key)
        if value is not None:
            argv.append(f"--{key.replace('_', '-')}={value}")
    for spec in arguments.input:
        shape = ",".join(map(str, spec.shape))
        argv.append(f"--input={spec.name}:{spec.datatype}:{shape}")
    return argv


def _announce(model: str, url: str, workers: int) -> None:
    """The one line on standard output: where to go."""
    crew = f" with {workers} workers" if workers > 1 else ""
    sys.stdout.write(f"flambeau-serve: {model} at {url}{crew} (Ctrl-C ends)\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flambeau-serve", description="Serve a model over HTTP (Open Inference Protocol v2)."
    )
    parser.add_argument("--version", action="version", version=f"flambeau-serve {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="serve MODEL until SIGTERM or Ctrl-C",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("model", metavar="MODEL", help="file, folder or module:attribute")
    run.add_argument("--name", help="name in the URLs; default: that of the file or attribute")
    run.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    run.add_argument(
        "--port", type=_port, default=8000, help="port; 0 takes a free one (%(default)s)"
    )
    run.add_argument("--workers", type=_positive, default=1, help="processes (%(default)s)")
    run.add_argument(
        "--input",
        action="append",
        default=[],
        type=_spec,
        metavar="NAME:DATATYPE:SHAPE",
        help="declare an input of module:attribute, as image:FP32:-1,1,28,28; repeat in order",
    )
    run.add_argument(
        "--max-batch",
        type=_positive,
        default=1,
        metavar="ROWS",
        help="join waiting requests up to so many rows (%(default)s: off)",
    )
    run.add_argument(
        "--max-queue",
        type=_positive,
        default=64,
        metavar="N",
        help="requests waiting or running in a process before 503 (%(default)s)",
    )
    run.add_argument(
        "--max-body",
        type=_positive,
        default=16 * 1024 * 1024,
        metavar="BYTES",
        help="largest body before 413 (%(default)s)",
    )
    run.add_argument(
        "--drain-timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long a shutdown waits for requests in flight (%(default)s)",
    )
    run.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="%(default)s",
    )
    run.add_argument("--worker", help=argparse.SUPPRESS)
    return parser


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None


def _positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be from 1 up, got {value}")
    return value


def _port(text: str) -> int:
    value = _whole(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, got {value}")
    return value


def _spec(text: str) -> TensorSpec:
    from .model import TensorSpec

    try:
        return TensorSpec.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
