"""The way to the control room: reach, TLS, credentials, topics, and whether a collector answers."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from edge_guard.config import DeviceConfig, MqttTable
from edge_guard.credentials import tls_context
from edge_guard.doctor.findings import Area, Finding, fine, from_error, problem, warning
from edge_guard.doctor.probe import Probe, Refused
from edge_guard.errors import EdgeGuardError
from edge_guard.publish.messages import Topics

CONNECT_SECONDS = 5.0
RECEIPT_SECONDS = 5.0
SOON_DAYS = 30.0


def check_broker(config: DeviceConfig) -> Iterator[Finding]:
    """Yield what is found of the broker, each step only where the one before succeeded.

    What is sent is empty (brokers and collectors pass over it), but for one report of nothing lost,
    which a collector stores and answers.

    Parameters
    ----------
    config : DeviceConfig
        With absolute paths.
    """
    mqtt = config.mqtt
    address = f"{mqtt.host}:{mqtt.port}"
    try:
        socket.create_connection((mqtt.host, mqtt.port), CONNECT_SECONDS).close()
    except OSError as error:
        words = f"broker {address} cannot be reached ({error.strerror or error})"
        yield problem(Area.BROKER, words, "check [mqtt] host and port, cable, network and firewall")
        return
    if mqtt.tls is None:
        yield _plain(mqtt, address)
    else:
        found = list(_check_tls(mqtt, address))
        yield from found
        if any(finding.level == "problem" for finding in found):
            return
    yield from _check_session(config, address)


def _plain(mqtt: MqttTable, address: str) -> Finding:
    if mqtt.host in ("localhost", "127.0.0.1", "::1"):
        return fine(Area.BROKER, f"broker {address} answers, on this machine, without TLS")
    remedy = "use the broker's TLS port, with [mqtt.tls] ca_file"
    return warning(
        Area.BROKER,
        f"broker {address} answers without TLS: everybody on the way can listen",
        remedy,
    )


def _check_tls(mqtt: MqttTable, address: str) -> Iterator[Finding]:
    """Yield whether the broker proves who it is, and how long the certificates last."""
    try:
        context = tls_context(mqtt)
    except EdgeGuardError as error:
        yield from_error(Area.BROKER, error)
        return
    assert mqtt.tls is not None and context is not None
    try:
        with (
            socket.create_connection((mqtt.host, mqtt.port), CONNECT_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=mqtt.host) as secure,
        ):
            certificate = secure.getpeercert() or {}
            version = secure.version()
    except ssl.SSLCertVerificationError as error:
        words = f"broker {address} does not prove who it is ({error.verify_message})"
        remedy = "give the plant's ca_file; the broker's certificate must be valid for this host"
        yield problem(Area.BROKER, words, remedy)
        return
    except OSError as error:
        words = f"broker {address}: TLS failed ({error.strerror or error})"
        yield problem(Area.BROKER, words, "check the port: 8883 is usual with TLS")
        return
    yield fine(Area.BROKER, f"broker {address} proves who it is, {version}")
    yield _lasts("the broker's certificate", str(certificate.get("notAfter", "")))
    if mqtt.tls.certificate_file:
        yield from _own_certificate(Path(mqtt.tls.certificate_file))


def _own_certificate(path: Path) -> Iterator[Finding]:
    """Yield how long this client's certificate lasts."""
    try:
        ends = ssl._ssl._test_decode_cert(str(path))["notAfter"]  # type: ignore[attr-defined]
    except (AttributeError, KeyError, OSError, ssl.SSLError):
        return  # another Python: the broker still refuses one that has ended
    yield _lasts(f"this device's certificate {path}", ends)


def _lasts(what: str, ends: str) -> Finding:
    if not ends:
        return fine(Area.BROKER, f"{what} does not say how long it lasts")
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / 86_400
    if days < 0:
        return problem(Area.BROKER, f"{what} ended on {ends}", "have a new one signed")
    if days < SOON_DAYS:
        words = f"{what} ends in {days:.0f} days, on {ends}"
        return warning(Area.BROKER, words, "have a new one signed before that")
    return fine(Area.BROKER, f"{what} lasts {days:.0f} more days")


def _check_session(config: DeviceConfig, address: str) -> Iterator[Finding]:
    device = config.device
    topics = Topics(device.site, device.line, device.id, config.mqtt.prefix)
    try:
        with Probe(config.mqtt, device.id) as probe:
            user = config.mqtt.username or "nobody in particular"
            words = f"broker {address} welcomes {user}, MQTT {probe.version}"
            yield fine(Area.BROKER, words)
            yield from _check_topics(config, topics, probe)
            if config.mqtt.receipts:
                yield _check_receipts(topics, probe, device.id)
    except Refused as refused:
        words = f"broker {address} refuses {config.mqtt.username or 'an unnamed user'} ({refused})"
        yield problem(Area.BROKER, words, "check [mqtt] username and password_file at the broker")
    except EdgeGuardError as error:
        yield from_error(Area.BROKER, error)


def _check_topics(config: DeviceConfig, topics: Topics, probe: Probe) -> Iterator[Finding]:
    """Yield which topics this user may not write."""
    if not probe.tells:
        words = "with MQTT 3.1.1 the broker does not say which topics it refuses"
        yield warning(Area.BROKER, words, 'set [mqtt] version = "auto" where the broker has MQTT 5')
        return
    names = [stream.name for stream in config.stream]
    asked = [topics.state(), topics.dropped()]
    for name in names:
        asked += [topics.event(name), topics.image(name, "doctor-1"), topics.summary(name)]
        asked += [topics.alarm(name, "doctor")]
        asked += [topics.result(name) for s in config.stream if s.publish == "all"]
    refused = {topic: why for topic in dict.fromkeys(asked) if (why := probe.publish(topic))}
    for topic, why in refused.items():
        remedy = "allow it in the broker's access control; deploy/mosquitto.acl shows how"
        yield problem(Area.BROKER, f"this device may not write {topic} ({why})", remedy)
    if not refused:
        yield fine(Area.BROKER, f"this device may write its topics under {topics.base}")


def _check_receipts(topics: Topics, probe: Probe, device: str) -> Finding:
    """Return whether a collector stores what this device sends, and says so."""
    started = time.monotonic()
    if probe.receipt(topics, device, RECEIPT_SECONDS):
        words = f"a collector stores and answers within {time.monotonic() - started:.1f} s"
        return fine(Area.BROKER, words)
    return problem(
        Area.BROKER,
        f"no receipt within {RECEIPT_SECONDS:.0f} s: no collector, or {topics.receipt()} may not "
        "be written by it or read by this device",
        "start the collector, check its [mqtt] and the access control; "
        "without a collector set [mqtt] receipts = false",
    )
