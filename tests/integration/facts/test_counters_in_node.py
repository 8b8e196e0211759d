"""The counters of a network namespace of its own, under each shell."""

import re
import subprocess
from collections.abc import Iterable

import pytest
from support.probe import NONCE, SHELLS

from fleet.facts.counters import counters_arguments, counters_script, parse_counters_answer
from fleet.model.counters import Counters

SHELL = pytest.mark.parametrize("shell", SHELLS)
_NODE = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c")
# A connection to a port on which nobody listens is answered with a reset, by this same namespace.
_RESETS = """python3 - <<'END'
import socket
for _ in range(7):
    with socket.socket() as one:
        one.connect_ex(("127.0.0.1", 9))
END
"""


def read(shell: str, *, before: str = "", run: str = "", script: bytes | None = None) -> bytes:
    arguments = " ".join(counters_arguments(NONCE))
    command = f"set -e\nip link set lo up\n{before}\n{run} {' '.join(SHELLS[shell])} -s -- {arguments}"
    text = counters_script() if script is None else script
    return subprocess.run([*_NODE, command], input=text, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def parsed(raw: bytes) -> Counters:
    return parse_counters_answer(raw, nonce=NONCE, host="node-1")


@pytest.mark.root
@SHELL
def test_resets_of_the_namespace_are_counted(shell: str) -> None:
    assert parsed(read(shell)).counters["TcpOutRsts"] == 0
    seen = parsed(read(shell, before=_RESETS))
    assert seen.counters["TcpOutRsts"] == 7
    assert seen.uptime > 0
    assert re.fullmatch(r"[0-9a-f-]{36}", seen.boot_id)
    assert seen.sockets["TCP"]["inuse"] == 0


@pytest.mark.root
@SHELL
def test_no_root_is_needed(shell: str) -> None:
    user = parsed(read(shell, run="setpriv --reuid 65534 --regid 65534 --clear-groups --"))
    root = parsed(read(shell))
    assert user.counters.keys() == root.counters.keys()
    assert type(user.conntrack) is type(root.conntrack)
    assert (user.entries, user.most) == (root.entries, root.most)


@pytest.mark.root
@SHELL
def test_bashrc_and_aliases_of_the_node_do_not_matter(shell: str) -> None:
    fake = "mkdir -p /tmp; mount -t tmpfs none /tmp; printf 'cat() { echo mine; }\\nalias printf=false' >/tmp/rc; "
    assert parsed(read(shell, before=fake + "export ENV=/tmp/rc BASH_ENV=/tmp/rc")).counters["TcpOutRsts"] == 0


@SHELL
def test_script_that_was_cut_off_runs_nothing(shell: str) -> None:
    script = counters_script()
    for end in _cuts(script):
        done = subprocess.run(
            [*SHELLS[shell], "-s", "--", NONCE], input=script[:end], capture_output=True, check=False, timeout=60
        )
        assert done.stdout == b""


def _cuts(script: bytes) -> Iterable[int]:
    last = script.rindex(b"{ counters")
    return (*range(0, last, 97), *range(last, len(script) - 2))
