"""A source whose frames show one view of its pictures."""

from __future__ import annotations

from dataclasses import replace

from edge_guard.errors import ConfigError
from edge_guard.sources.contract import Damaged, Source, SourceState
from edge_guard.types import Frame
from edge_guard.view import View


class ViewedSource:
    """A source whose frames show one view of its pictures.

    Parameters
    ----------
    source : Source
    view : View
    """

    def __init__(self, source: Source, view: View) -> None:
        self._source, self._view = source, view

    @property
    def address(self) -> str:
        """As the source's."""
        return self._source.address

    @property
    def live(self) -> bool:
        """As the source's."""
        return self._source.live

    @property
    def state(self) -> SourceState:
        """As the source's."""
        return self._source.state

    @property
    def cause(self) -> str:
        """As the source's."""
        return self._source.cause

    @property
    def finished(self) -> bool:
        """As the source's."""
        return self._source.finished

    @property
    def dropped(self) -> dict[str, int]:
        """As the source's."""
        return self._source.dropped

    @property
    def beyond_repair(self) -> str:
        """As the source's."""
        return self._source.beyond_repair

    def read(self, timeout_s: float) -> Frame | Damaged | None:
        """Return the next frame's view; one that the region does not fit is damaged."""
        frame = self._source.read(timeout_s)
        if not isinstance(frame, Frame):
            return frame
        try:
            return replace(frame, image=self._view.of(frame.image))
        except ConfigError as error:
            return Damaged(
                frame.stream,
                frame.sequence,
                f"{error.problem}: {error.remedy}",
                frame.wall_ns,
                frame.monotonic_ns,
                frame.source,
                frame.part_id,
            )

    def close(self) -> None:
        """Release the camera or file."""
        self._source.close()
