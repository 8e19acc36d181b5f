"""Counters: Prometheus's text, and one sum over all workers."""

from __future__ import annotations

import re
import tempfile

from flambeau_serve.metrics import IN_FLIGHT, Metrics, size_of


def test_every_line_is_prometheus() -> None:
    metrics = Metrics()
    metrics.observe_request("infer", 200, 0.003)
    metrics.observe_request("other", 418, 0.003)
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]+"(,[a-z]+="[^"]+")*\})? [0-9.e+-]+')
    text = metrics.render()
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line), line
    assert 'flambeau_requests_total{route="other",code="other"} 1' in text


def test_the_histogram_is_cumulative() -> None:
    metrics = Metrics()
    for seconds in (0.002, 0.002, 0.2, 60):
        metrics.observe_request("infer", 200, seconds)
    counts = re.findall(r'_bucket\{le="(\S+)"\} (\d+)', metrics.render())
    assert dict(counts) | {} == {
        **dict.fromkeys(["0.001"], "0"),
        **dict.fromkeys(["0.0025", "0.005", "0.01", "0.025", "0.05", "0.1"], "2"),
        **dict.fromkeys(["0.25", "0.5", "1.0", "2.5", "5.0", "10.0"], "3"),
        "+Inf": "4",
    }


def test_rows_of_one_file_are_summed() -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(size_of(3))
        one, two = (Metrics(fd=file.fileno(), rows=3, row=row) for row in (0, 2))
        one.add("flambeau_batches_total", 2)
        two.add("flambeau_batches_total", 5)
        two.add(IN_FLIGHT)
        one.add(IN_FLIGHT)
        assert one.total("flambeau_batches_total") == two.total("flambeau_batches_total") == 7
        Metrics(fd=file.fileno(), rows=3, row=2).reset_gauges()
        assert one.total(IN_FLIGHT) == 1
        assert one.total("flambeau_batches_total") == 7
