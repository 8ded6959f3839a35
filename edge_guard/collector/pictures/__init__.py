"""Where pictures are kept, named by their sha-256: a folder, or any S3-compatible store."""

from __future__ import annotations

from edge_guard.collector.pictures.content import is_digest, media_type
from edge_guard.collector.pictures.folder import PictureStore
from edge_guard.collector.pictures.interface import Pictures, open_pictures

__all__ = ["PictureStore", "Pictures", "is_digest", "media_type", "open_pictures"]
