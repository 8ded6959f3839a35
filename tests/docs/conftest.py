"""Puts the tools and what other tests start servers with on the path."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tools", "tests/collector"):
    sys.path.append(str(ROOT / folder))
