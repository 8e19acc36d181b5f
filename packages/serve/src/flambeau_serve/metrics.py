"""Counters for Prometheus: a fixed table of numbers, one row for each worker process, in shared memory.

Any worker answers `/metrics` with the sum over all rows, so that a scrape does not depend on which worker it met.
A row has one writer, hence no locks. Not a metrics library: what is not in `KEYS` cannot be counted.
"""

from __future__ import annotations

import mmap

ROUTES = ("infer", "metadata", "health", "page", "metrics", "other")
CODES = (200, 400, 404, 405, 408, 413, 415, 500, 501, 503)
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_HELP = {
    "flambeau_requests_total": ("counter", "Answered requests by route and status."),
    "flambeau_infer_seconds": (
        "histogram",
        "Time from the head of an infer request to its answer.",
    ),
    "flambeau_predict_seconds_total": ("counter", "Time spent inside the model."),
    "flambeau_batches_total": ("counter", "Runs of the model."),
    "flambeau_batched_requests_total": ("counter", "Requests answered by these runs."),
    "flambeau_in_flight": ("gauge", "Infer requests waiting or running."),
    "flambeau_worker_restarts_total": ("counter", "Workers that died and were started again."),
}
IN_FLIGHT = "flambeau_in_flight"
RESTARTS = "flambeau_worker_restarts_total"
KEYS = (
    *(
        f'flambeau_requests_total{{route="{route}",code="{code}"}}'
        for route in ROUTES
        for code in (*CODES, "other")
    ),
    *(f'flambeau_infer_seconds_bucket{{le="{bound}"}}' for bound in (*BUCKETS, "+Inf")),
    "flambeau_infer_seconds_sum",
    "flambeau_infer_seconds_count",
    "flambeau_predict_seconds_total",
    "flambeau_batches_total",
    "flambeau_batched_requests_total",
    IN_FLIGHT,
    RESTARTS,
)
_INDEX = {key: index for index, key in enumerate(KEYS)}
_ROW_BYTES = 8 * len(KEYS)


class Metrics:
    """The counters of one process, and the sum of all.

    >>> from flambeau_serve.metrics import Metrics
    >>> metrics = Metrics()
    >>> metrics.add("flambeau_batches_total")
    >>> [line for line in metrics.render().splitlines() if line.startswith("flambeau_batches")]
    ['flambeau_batches_total 1']
    """

    def __init__(self, *, fd: int = -1, rows: int = 1, row: int = 0) -> None:
        self._memory = mmap.mmap(fd, rows * _ROW_BYTES)
        self._table = memoryview(self._memory).cast("d")
        self._rows = rows
        self._offset = row * len(KEYS)

    def add(self, key: str, amount: float = 1.0) -> None:
        """Add to one number of this process's row."""
        self._table[self._offset + _INDEX[key]] += amount

    def reset_gauges(self) -> None:
        """Forget what a worker that died in this row was doing."""
        self._table[self._offset + _INDEX[IN_FLIGHT]] = 0.0

    def observe_request(self, route: str, code: int, seconds: float) -> None:
        """Count an answered request; infer requests enter the histogram too."""
        known = code if code in CODES else "other"
        self.add(f'flambeau_requests_total{{route="{route}",code="{known}"}}')
        if route != "infer":
            return
        for bound in BUCKETS:
            if seconds <= bound:
                self.add(f'flambeau_infer_seconds_bucket{{le="{bound}"}}')
        self.add('flambeau_infer_seconds_bucket{le="+Inf"}')
        self.add("flambeau_infer_seconds_sum", seconds)
        self.add("flambeau_infer_seconds_count")

    def total(self, key: str) -> float:
        """One number, summed over all rows."""
        return sum(self._table[row * len(KEYS) + _INDEX[key]] for row in range(self._rows))

    def render(self) -> str:
        """Prometheus's text format; requests that never happened are left out."""
        lines: list[str] = []
        for name, (kind, text) in _HELP.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            for key in KEYS:
                if not key.startswith(name):
                    continue
                value = self.total(key)
                if value or name != "flambeau_requests_total":
                    lines.append(f"{key} {value:.17g}")
        return "\n".join(lines) + "\n"


def size_of(rows: int) -> int:
    """Bytes of the shared file that holds `rows` rows."""
    return rows * _ROW_BYTES
