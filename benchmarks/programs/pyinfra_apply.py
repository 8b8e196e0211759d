"""The changes by pyinfra's operations."""

import json
import os
from io import StringIO
from pathlib import Path

from pyinfra.operations import files, server

_task = json.loads(Path(os.environ["BENCH_TASK"]).read_text())

for path, content in _task["files"].items():
    files.put(name=path, src=StringIO(content), dest=path, mode="644")
for key, value in _task["values"].items():
    words = value.split()
    server.sysctl(name=key, key=key, value=words if len(words) > 1 else int(value))
