"""Run a command, and write down what it used: launch.py RESULT COMMAND...

A process of its own, and a small one: a child begins with the peak memory of the process that has started it.
"""

import json
import os
import sys
import time

result, *command = sys.argv[1:]
start = time.monotonic()
child = os.posix_spawnp(command[0], command, os.environ)
_, status, used = os.wait4(child, 0)
told = {
    "code": os.waitstatus_to_exitcode(status),
    "client": used.ru_utime + used.ru_stime,
    "wall": time.monotonic() - start,
    "peak": used.ru_maxrss / 1024,
}
with open(result, "w") as file:  # noqa: PTH123 pathlib would make it larger
    json.dump(told, file)
