"""Our inventory and connection in somebody else's nornir program."""

import pytest
from nornir import InitNornir
from nornir.core.task import Result, Task

from fleet import lab
from fleet.transport import Command

pytestmark = pytest.mark.root


def test_the_plugins_work_in_a_nornir_program_of_ones_own(fifty_nodes: lab.Lab) -> None:
    def read_hostname(task: Task) -> Result:
        connection = task.host.get_connection("fleet", task.nornir.config)
        return Result(host=task.host, result=connection.run(Command(arguments=("uname", "-n"))).stdout)

    nornir = InitNornir(
        inventory={"plugin": "FleetInventory", "options": {"directory": str(fifty_nodes.inventory)}},
        runner={"plugin": "threaded", "options": {"num_workers": 4}},
        logging={"enabled": False},
    )
    with nornir.filter(filter_func=lambda host: "k3s-server" in host.groups) as servers:
        results = servers.run(read_hostname)
        assert len(results) > 1
        for name, result in results.items():
            assert not result.failed, result.result
            assert result[0].result == f"{name}\n".encode()
