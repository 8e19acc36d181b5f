"""The page at `/`: one self-contained HTML document to try the model with.

Nothing is loaded from elsewhere, which the page's own content security policy enforces. What the script needs to know
of the model stands in the page as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path

from .model import Model


@cache
def _template() -> str:
    return Path(__file__).with_name("page.html").read_text("utf-8")


@cache
def _policy() -> str:
    """Only the page's own script and style run: they are named by their hashes."""
    script, style = (
        re.findall(rf"<{tag}>(.*?)</{tag}>", _template(), re.S)[0] for tag in ("script", "style")
    )
    return (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "connect-src 'self'; img-src blob: data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def page_of(model: Model) -> tuple[str, dict[str, str]]:
    """The page for `model`, and the headers it is sent with."""
    facts = model.metadata() | {
        "labels": list(model.labels),
        "image": None if model.image is None else model.image.describe(),
    }
    # "<" never ends the script element early when it is written as an escape.
    text = json.dumps(facts).replace("<", "\\u003c")
    page = _template().replace("{{name}}", html.escape(model.name)).replace("{{model}}", text)
    return page, {"content-security-policy": _policy(), "referrer-policy": "no-referrer"}
