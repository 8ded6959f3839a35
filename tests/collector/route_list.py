"""Prints every route of a collector's page and interface, as JSON: its methods and path."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from starlette.routing import Mount

from edge_guard.collector.app import Collector
from edge_guard.config import load_collector_config


def routes(inside: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of each route, also of what is mounted."""
    for route in inside:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from routes(router.routes, prefix)  # whose own prefix is in its paths already
            continue
        path = prefix + route.path
        if isinstance(route, Mount) and route.routes:
            yield from routes(route.routes, path)
        elif isinstance(route, Mount):
            yield "MOUNT", path
        else:
            for method in sorted(route.methods or {"GET"}):
                yield method, path


if __name__ == "__main__":
    collector = Collector(load_collector_config(sys.argv[1]))
    app: Any = collector._web._server.config.app
    print(json.dumps(list(routes(app.routes))))
    sys.stdout.flush()
    os._exit(0)  # nothing was started that could be stopped
