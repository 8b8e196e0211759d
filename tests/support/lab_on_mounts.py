"""Run in a mount namespace of its own: makes /usr and /etc mounts of their own there, and builds a lab on them."""

import subprocess
import sys
from pathlib import Path

from support.lab import running_lab, ssh

for folder in ("/usr", "/etc"):
    subprocess.run(["mount", "--bind", folder, folder], check=True)
with running_lab(Path(sys.argv[1]), 1) as built:
    command = "echo mine > /etc/written-on-a-mount; cat /proc/sys/net/ipv4/tcp_keepalive_time /etc/written-on-a-mount"
    sys.stdout.write(" ".join(ssh(built, built.nodes[0].name, command).stdout.split()) + "\n")
