"""Run by pysparkplug's own Python: ``VERB HEX`` lines in, what it reads as JSON lines out."""

import json
import sys

import pysparkplug

KINDS = {
    "NBIRTH": pysparkplug.NBirth, "NDATA": pysparkplug.NData, "NDEATH": pysparkplug.NDeath,
    "DBIRTH": pysparkplug.DBirth, "DDATA": pysparkplug.DData, "DDEATH": pysparkplug.DDeath,
}  # fmt: skip
births = {}
for line in sys.stdin:
    verb, payload = line.split()
    raw = bytes.fromhex(payload)
    if verb in ("NDATA", "DDATA"):
        aliases = {m.alias for m in pysparkplug._protobuf.Payload.FromString(raw).metrics}
        read = KINDS[verb].decode(
            raw, birth=next(b for known, b in births.items() if aliases <= known)
        )
    else:
        read = KINDS[verb].decode(raw)
    metrics = getattr(read, "metrics", ())
    if verb in ("NBIRTH", "DBIRTH"):
        births = {frozenset(m.alias for m in metrics): read, **births}
    record = {
        "seq": getattr(read, "seq", None),
        "count": len(metrics) if verb != "NDEATH" else 1,
        "metrics": {},
    }
    for metric in metrics:
        value = metric.value
        if metric.datatype.name == "DATETIME" and value is not None:
            value = round(value.timestamp() * 1000)
        record["metrics"][metric.name] = [metric.datatype.name, value]
    print(json.dumps(record))
