"""Two devices with one id, as the collector sees them."""

from __future__ import annotations

from reports import Reporter, Sent

from edge_guard.collector.parse import Message, parse
from edge_guard.collector.twins import Twins
from edge_guard.publish.messages import State


def heard(twins: Twins, sent: Sent) -> State:
    message = parse(*sent, "edge-guard/v1")
    assert isinstance(message, Message)
    state = twins.heard(message).body
    assert isinstance(state, State)
    return state


def test_boots_that_speak_by_turns_are_two_devices() -> None:
    twins, one, other = Twins(), Reporter(boot="one"), Reporter(boot="other")
    assert [heard(twins, device.state()).causes for device in (one, other, one)] == [(), (), ()]
    state = heard(twins, other.state())
    assert state.state == "degraded"
    assert "another device uses the id 'cam-1'" in state.causes[0]
    assert "one" in state.causes[0]
    assert heard(twins, one.state()).causes


def test_restarts_and_what_is_delivered_again_are_none() -> None:
    twins = Twins()
    boots = [Reporter(boot=f"b{n}") for n in range(20)]
    said = [boot.state() for boot in boots]
    for _ in range(3):  # a broker that delivers everything again
        assert not any(heard(twins, sent).causes for sent in said)


def test_a_last_will_is_no_word_of_a_living_device() -> None:
    twins, old, new = Twins(), Reporter(boot="old"), Reporter(boot="new")
    for _ in range(5):
        assert heard(twins, new.state()).causes == ()
        assert heard(twins, old.state("offline")).causes == ()


def test_a_device_that_got_another_id_is_forgotten() -> None:
    twins, one, other = Twins(), Reporter(boot="one"), Reporter(boot="other")
    for device in (one, other, one, other):
        heard(twins, device.state())
    causes = [heard(twins, one.state()).causes for _ in range(40)]
    assert causes[0]
    assert causes[-1] == ()


def test_devices_are_kept_apart() -> None:
    twins = Twins()
    devices = [Reporter("a", boot="x"), Reporter("b", boot="y")]
    for _ in range(5):
        assert not any(heard(twins, device.state()).causes for device in devices)
