"""A real text for the tests: the help topics that come inside every Python."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def help_topics() -> str:
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))
