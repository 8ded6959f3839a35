"""Hooks of MkDocs: files of ``deploy/`` that pages link to become part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: Any) -> Files:
    """Put the files of ``deploy/`` beside the pages."""
    for path in sorted((ROOT / "deploy").rglob("*")):
        if path.is_file():
            place = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links that lead from a page's folder out of ``docs/`` find them there."""
    return re.sub(r"\]\(((?:\.\./)*)\.\./deploy/", r"](\1deploy/", markdown)
