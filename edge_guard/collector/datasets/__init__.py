"""Labelled and sampled frames written out for retraining, the same bytes each time.

`Datasets` makes and keeps them; `wish` says what is chosen, `selection` finds it, `split` divides
it in time, `layout` writes its tables, `archive` streams the zip file.
"""

from edge_guard.collector.datasets.datasets import Counts, Dataset, Datasets
from edge_guard.collector.datasets.wish import PARTS, Part, Wish

__all__ = ["PARTS", "Counts", "Dataset", "Datasets", "Part", "Wish"]
