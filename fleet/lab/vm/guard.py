"""The process that removes a lab of machines once the one that wanted it has ended: ``guard.py STATE_DIR NAME``."""

import sys
from pathlib import Path

from fleet.lab.vm.lifecycle import down

if __name__ == "__main__":
    # Ends when nobody holds the other end any more, whichever way that came about.
    sys.stdin.buffer.read()
    down(Path(sys.argv[1]), sys.argv[2])
