"""The bill of materials of a folder of wheels, as CycloneDX 1.5 JSON."""

from __future__ import annotations

import hashlib
import uuid
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

OWN = "edge-guard"


def document(wheels: Sequence[Path], epoch: int) -> dict[str, Any]:
    """Return the document; the first component named edge-guard is what the others belong to.

    The serial number follows from the wheels' digests, so that the same wheels give the same text.
    """
    components = [component(wheel) for wheel in wheels]
    (own,) = (entry for entry in components if entry["name"] == OWN)
    digests = "".join(entry["hashes"][0]["content"] for entry in components)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digests)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {**own, "type": "application"},
        },
        "components": [entry for entry in components if entry is not own],
        "dependencies": [
            {
                "ref": own["bom-ref"],
                "dependsOn": [entry["bom-ref"] for entry in components if entry is not own],
            }
        ],
    }


def invalid(text: str) -> str:
    """Return what the schema of CycloneDX 1.5 has against a document, empty when nothing."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    trouble = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    return "" if trouble is None else str(trouble.data)


def component(wheel: Path) -> dict[str, Any]:
    """Return one component: name, version, licence, digest and file of a wheel."""
    told = metadata_of(wheel)
    name, version = told["Name"], told["Version"]
    address = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return {
        "type": "library",
        "bom-ref": f"{address}?file_name={wheel.name}",
        "name": name,
        "version": version,
        "purl": address,
        "licenses": licences(told),
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
        "properties": [{"name": "edge-guard:file", "value": wheel.name}],
    }


def metadata_of(wheel: Path) -> Message:
    """Return the METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (
            name
            for name in packed.namelist()
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
        )
        return HeaderParser().parsestr(packed.read(name).decode("utf-8"))


def licences(told: Message) -> list[dict[str, Any]]:
    """Return the SPDX expression where there is one, else what the package calls its licence."""
    if expression := told["License-Expression"]:
        return [{"expression": expression}]
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    words = (told["License"] or "").strip().splitlines()
    names = classifiers or words[:1]
    return [{"license": {"name": name}} for name in names]
