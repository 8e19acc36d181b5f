"""Shared by the tests of every package: equal random numbers in every run, and no silent loss of coverage.

A test that needs an extra (onnxruntime, mpi4py, ...) starts with ``pytest.importorskip``. In the sessions that install
a package alone it is skipped; in the session that installs everything (``FLAMBEAU_REQUIRE_EXTRAS=1``) a skip because of
what is not installed is a failure, so that no test is skipped everywhere.
"""

from __future__ import annotations

import os
import random
from collections.abc import Generator

import pytest
from hypothesis import settings

# A deadline measures the machine, not the code; derandomized examples make a failure reproducible from the log alone.
settings.register_profile("flambeau", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("flambeau")

REQUIRE_EXTRAS = os.environ.get("FLAMBEAU_REQUIRE_EXTRAS") == "1"


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(0)
    try:
        import numpy
    except ModuleNotFoundError:
        return
    numpy.random.seed(0)


def _is_missing_module(reason: object) -> bool:
    return any(text in str(reason) for text in ("could not import", "not installed"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRE_EXTRAS and report.skipped and _is_missing_module(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if REQUIRE_EXTRAS and report.skipped and _is_missing_module(report.longrepr):
        report.outcome = "failed"
    return report
