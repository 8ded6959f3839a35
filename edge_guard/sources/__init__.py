"""Sources of frames: cameras, network streams, video files, images and folders of images."""

from __future__ import annotations

from edge_guard.sources.address import masked
from edge_guard.sources.contract import Damaged, Source, SourceState
from edge_guard.sources.open import open_source
from edge_guard.view import View

__all__ = ["Damaged", "Source", "SourceState", "View", "masked", "open_source"]
