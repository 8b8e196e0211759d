import pytest

from fleet.kernel.ports import DEFAULT_NODE_PORTS, ephemeral_listeners, ephemeral_ports, unreserved_node_ports
from fleet.kernel.portset import PortSet
from fleet.model.facts import Listener


def _tcp(address: str, port: int) -> Listener:
    return Listener(protocol="tcp", address=address, port=port)


def test_reserved_ports_are_not_handed_out() -> None:
    ephemeral = ephemeral_ports("32768\t60999", "40000-40009,50000")
    assert str(ephemeral) == "32768-39999,40010-49999,50001-60999"
    assert len(ephemeral) == 28_232 - 11


def test_a_text_that_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="two numbers"):
        ephemeral_ports("", "")


@pytest.mark.parametrize(
    ("reserved", "left"),
    [("", "30000-32767"), ("30000-32767", ""), ("30000-30999,8080", "31000-32767"), ("1-65535", "")],
)
def test_reserved_node_ports_need_no_other_care(reserved: str, left: str) -> None:
    assert str(unreserved_node_ports(DEFAULT_NODE_PORTS, reserved)) == left


def test_only_daemons_that_others_reach_over_tcp_count_as_listeners() -> None:
    listeners = (
        _tcp("0.0.0.0", 40_000),
        _tcp("::", 40_000),
        _tcp("10.0.0.1", 33_000),
        _tcp("0.0.0.0", 22),
        _tcp("127.0.0.1", 41_000),
        _tcp("::1", 41_001),
        _tcp("::ffff:127.0.0.1", 41_002),
        _tcp("0.0.0.0", 45_000),
        Listener(protocol="udp", address="0.0.0.0", port=42_000),
    )
    assert ephemeral_listeners(listeners, PortSet.parse("32768-44999")) == (33_000, 40_000)
