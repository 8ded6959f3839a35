"""The shipped broker configuration, run by a real Mosquitto with nothing changed but places.

write_plant(tmp_path)                           # certificates, a list of revoked ones
with Deployed(tmp_path, "certificates") as broker, broker.client("collector") as collector:
    ...
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from brokers import Listener, Mosquitto
from certificates import revoke, write_certificates

DEPLOY = Path(__file__).parents[2] / "deploy"
USERS = ("device", "intruder", "collector", "viewer", "homeassistant", "scada")


def write_plant(folder: Path) -> None:
    """Write the plant's certificates: the broker's, every user's, and a revoked one."""
    write_certificates(folder, ("broker", *USERS, "revoked"))
    revoke(folder, "revoked")


class Deployed(Mosquitto):
    """A broker with deploy/mosquitto.conf and one of the two files about logins.

    Parameters
    ----------
    folder : Path
        With the plant's certificates; for the broker's files, too.
    logins : str
        ``passwords`` (each user's is the name twice) or ``certificates``.
    """

    def __init__(self, folder: Path, logins: str) -> None:
        passwords = {name: name * 2 for name in USERS}
        super().__init__(folder, users=passwords, acl=(DEPLOY / "mosquitto.acl").read_text())
        self.folder, self.logins = folder, logins
        text = "".join((DEPLOY / f"{name}.conf").read_text() for name in self._files())
        places = {
            "/etc/mosquitto/certs/plant-ca.crt": folder / "ca.crt",
            "/etc/mosquitto/certs/plant-ca.crl": folder / "ca.crl",
            "/etc/mosquitto/certs/broker": folder / "broker",
            "/etc/mosquitto/edge-guard.passwords": self.directory / "passwords",
            "/etc/mosquitto/edge-guard.acl": self.directory / "acl",
            "/var/lib/mosquitto/": f"{self.directory}/",
            "listener 8883": f"listener {self.port} 127.0.0.1",
            "log_dest syslog": "log_dest stderr",
        }
        for shipped, here in places.items():
            text = text.replace(shipped, str(here))
        own = [line for line in self._config.read_text().splitlines() if line.startswith("user ")]
        self._config.write_text("\n".join([text, *own, ""]))

    def client(self, user: str, *topics: str, client_id: str = "") -> Listener:
        """Return a listener that logs in as ``user``."""
        login = {"username": user, "password": user * 2} if self.logins == "passwords" else {}
        listener = Listener(self.port, *topics, client_id=client_id or user, **login)
        self.encrypt(listener._client, user)
        return listener

    def encrypt(self, client: mqtt.Client, user: str | None) -> None:
        """Prepare TLS, with the user's certificate where the broker wants one."""
        files: dict[str, Any] = {}
        if self.logins == "certificates" and user is not None:
            files = {
                "certfile": self.folder / f"{user}.crt",
                "keyfile": self.folder / f"{user}.key",
            }
        client.tls_set(str(self.folder / "ca.crt"), **files)

    def _files(self) -> tuple[str, str]:
        return "mosquitto", f"mosquitto-{self.logins}"


def verdict_on(listener: Listener, topic: str, payload: bytes = b"x", retain: bool = False) -> str:
    """Publish with QoS 1 and return the broker's reason, ``Success`` or why not."""
    answered = threading.Event()
    reasons: dict[int, str] = {}

    def note(_client: Any, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        reasons[number] = str(reason)
        answered.set()

    listener._client.on_publish = note
    number = listener._client.publish(topic, payload, qos=1, retain=retain).mid
    while number not in reasons:
        if not answered.wait(10):
            raise TimeoutError(f"no answer to {topic}")
        answered.clear()
    return "Success" if reasons[number] == "No matching subscribers" else reasons[number]
