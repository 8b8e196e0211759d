"""What is said of connections to servers that are known by their port."""

import pytest
from support.evidence import CLIENT, SERVER_SOCKET, SERVICE, evidence, network, reading, tcp_socket, tracked

from fleet.diagnose import judge
from fleet.diagnose.middleware import BY_PORT, advice
from fleet.model.facts import Ipvs, IpvsTimeouts


@pytest.mark.parametrize("port", BY_PORT)
def test_a_forgotten_connection_to_a_known_server_tells_which_setting_keeps_it(port: int) -> None:
    service = SERVICE._replace(port=port)
    client = tcp_socket(remote=service)
    pods = (network(1, client), network(2, SERVER_SOCKET))
    seen = evidence(
        reading(
            10,
            *pods,
            entries=(tracked(service=service),),
            services=frozenset({service}),
            ipvs=frozenset({(CLIENT, service)}),
        ),
        reading(16, *pods, services=frozenset({service})),
        ipvs=Ipvs(timeouts=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300), services=1, connections=1),
    )
    verdicts = {each.cause: each for each in judge(seen)}
    for cause in ("entry-lost", "ipvs-idle"):
        assert verdicts[cause].verdict == "confirmed"
        assert verdicts[cause].evidence[-1].startswith(f"port {port} is usually {BY_PORT[port].name}: set ")


def test_each_kind_of_server_is_told_once_and_others_not() -> None:
    ends = [SERVICE, *(SERVICE._replace(port=port) for port in (6379, 5432, 6379))]
    assert [line.split(":")[0] for line in advice(ends)] == [
        "port 5432 is usually PostgreSQL",
        "port 6379 is usually Redis",
    ]
