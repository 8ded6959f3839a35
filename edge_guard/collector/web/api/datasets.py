"""``/api/datasets``: labelled and sampled frames for retraining."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Response
from fastapi.responses import StreamingResponse
from msgspec import Meta

from edge_guard.collector.datasets import Counts, Dataset, Wish
from edge_guard.collector.web.api.route import Engineer, Id, RefusedRequest, Sent, problems
from edge_guard.collector.web.site import Site
from edge_guard.errors import StoreError

_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The dataset as a zip file.", "content": _ZIP}
}


class DatasetWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a dataset is to be made of.

    Attributes
    ----------
    name : str
    wish : Wish
    """

    name: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
    wish: Wish


def add(api: FastAPI, site: Site) -> None:
    """Add the routes."""

    @api.get("/datasets")
    def datasets(who: Engineer) -> list[Dataset]:
        """Return the newest datasets, newest first."""
        return site.datasets.listed()

    @api.post("/datasets", responses=problems(409))
    def make(
        who: Engineer, wanted: Annotated[DatasetWanted, Depends(Sent(DatasetWanted))]
    ) -> Dataset:
        """Make a dataset of what is stored and said until now."""
        try:
            return site.datasets.make(wanted.wish, wanted.name, who.name)
        except StoreError as error:
            raise RefusedRequest(409, error.problem, error.remedy) from error

    @api.post("/datasets/preview", responses=problems(409))
    def preview(who: Engineer, wish: Annotated[Wish, Depends(Sent(Wish))]) -> Counts:
        """Return what a dataset would hold; nothing is written."""
        try:
            return site.datasets.preview(wish)
        except StoreError as error:
            raise RefusedRequest(409, error.problem, error.remedy) from error

    @api.get("/datasets/{number:int}", responses=problems(404))
    def dataset(number: Id, who: Engineer) -> Dataset:
        """Return one."""
        return _known(site, number)

    @api.get(
        "/datasets/{number:int}/dataset.zip",
        response_class=Response,
        responses=_CONTENT | problems(404),
    )
    def content(number: Id, who: Engineer) -> StreamingResponse:
        """Return one as a zip file: the same bytes each time while its pictures are stored."""
        made = _known(site, number)
        site.trail.note(who, "dataset.fetch", f"dataset {made.id}", {"sha256": made.digest})
        headers = {"Content-Disposition": f'attachment; filename="dataset-{made.id}.zip"'}
        return StreamingResponse(
            site.datasets.written(made), media_type="application/zip", headers=headers
        )


def _known(site: Site, number: int) -> Dataset:
    made = site.datasets.get(number)
    if made is None:
        raise RefusedRequest(404, f"there is no dataset {number}")
    return made
