"""Sphinx: the pages of this folder and the API reference that tools/api_reference.py writes into api/."""

from __future__ import annotations

project = "flambeau"
author = "The flambeau authors"
copyright = "2026, the flambeau authors"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "design/drafts"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath", "fieldlist"]
# Pages link to code beside docs/, which is no part of the site.
myst_url_schemes = ["http", "https", "mailto"]

html_theme = "furo"
html_title = "flambeau"
