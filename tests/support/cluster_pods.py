"""Plays the pods of `fleet prove --kubernetes` in three namespaces, and prints the first line that the client prints.

Stdin is ``{"values", "invalid_rule", "server", "client", "folder"}`` in JSON, both pods as commands.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from fleet.prove.inside.addresses import CLIENT, NODE, SERVER
from fleet.prove.inside.world import World

_LISTENING = "0A"
_WITHIN = 60.0


def main() -> None:
    asked = json.load(sys.stdin)
    world = World({NODE: asked["values"]}, invalid_rule=asked["invalid_rule"])
    # A process is where the thread that starts it is.
    world.enter(SERVER)
    wait_until_listening(subprocess.Popen(asked[SERVER], cwd=asked["folder"]))
    world.enter(CLIENT)
    client = subprocess.Popen(asked[CLIENT], cwd=asked["folder"], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    sys.stdout.write(client.stdout.readline())
    # Process 1 of the namespace takes the pods with it.


def wait_until_listening(server: subprocess.Popen[bytes]) -> None:
    """Every round of the client is to be one that tells: it would go on after one without a server."""
    deadline = time.monotonic() + _WITHIN
    while not any(line.split()[3] == _LISTENING for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()):
        assert server.poll() is None
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.02)


if __name__ == "__main__":
    main()
