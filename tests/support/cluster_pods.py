"""Plays the pods of `fleet prove --kubernetes` in three namespaces, and prints the first line that the client prints.

Stdin is ``{"values", "invalid_rule", "server", "client", "folder"}`` in JSON, both pods as commands.
"""

import json
import subprocess
import sys

from fleet.prove.inside.addresses import CLIENT, NODE, SERVER
from fleet.prove.inside.world import World


def main() -> None:
    asked = json.load(sys.stdin)
    world = World({NODE: asked["values"]}, invalid_rule=asked["invalid_rule"])
    pods = []
    for place in (SERVER, CLIENT):
        # A process is where the thread that starts it is.
        world.enter(place)
        output = subprocess.PIPE if place == CLIENT else None
        pods.append(subprocess.Popen(asked[place], cwd=asked["folder"], stdout=output, text=True))
    stdout = pods[1].stdout
    assert stdout is not None
    # The server may not listen yet in the first round: the client goes on.
    while "cannot tell" in (line := stdout.readline()):
        pass
    sys.stdout.write(line)
    # Process 1 of the namespace takes the pods with it.


if __name__ == "__main__":
    main()
