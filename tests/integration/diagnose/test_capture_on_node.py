"""Segments captured on a node by each of the two programs, under each shell."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import jsonschema
import pytest
from support.cli import FLEET
from support.probe import NONCE, SHELLS

from fleet.diagnose.capture import judge_capture, read_capture
from fleet.diagnose.capture.node import Captured, capture_arguments, capture_filter, capture_script, parse_capture
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.report.schema import schemas

SHELL = pytest.mark.parametrize("shell", SHELLS)
HIDDEN = {"tcpdump": "", "python3": 'mount --bind /dev/null "$(command -v tcpdump)"\n'}
_NODE = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c")
# Connects without an end to a port where nobody listens, once over IPv4 and once over IPv6.
_TRAFFIC = f"""
ip link set lo up
"{sys.executable}" -c '
import socket, time
while True:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as client:
            assert client.connect_ex((address, 1))
    time.sleep(0.02)
' </dev/null >/dev/null &
"""


def capture(shell: str, tool: str, words: str = "tcp", *, run: str = "") -> Captured | Unavailable:
    arguments = capture_arguments(NONCE, seconds=1, words=capture_filter(words))
    command = f"{HIDDEN[tool]}{_TRAFFIC}{run} {' '.join(SHELLS[shell])} -s -- {' '.join(arguments)}"
    done = subprocess.run([*_NODE, command], input=capture_script(), capture_output=True, check=True, timeout=60)
    return parse_capture(done.stdout, done.stderr, nonce=NONCE, host="node-1")


@pytest.mark.root
@SHELL
@pytest.mark.parametrize("tool", HIDDEN)
def test_resets_that_pass_are_captured_and_named(shell: str, tool: str) -> None:
    captured = capture(shell, tool)
    assert isinstance(captured, Captured)
    verdicts = {each.cause: each for each in judge_capture(read_capture(BytesIO(captured.pcap)))}
    assert verdicts["refused"].verdict == "confirmed"
    told = "\n".join(verdicts["refused"].evidence)
    assert "127.0.0.1:1 in answer to a SYN" in told
    assert "[::1]:1 in answer to a SYN" in told


@pytest.mark.root
@pytest.mark.parametrize("tool", HIDDEN)
def test_only_what_was_asked_for_is_captured(tool: str) -> None:
    only = capture("dash", tool, "host ::1 and port 1")
    assert isinstance(only, Captured)
    seen = read_capture(BytesIO(only.pcap))
    assert {reset.sender.words.address for reset in seen.resets} == {"::1"}
    other = capture("dash", tool, "port 2")
    assert isinstance(other, Captured)
    assert read_capture(BytesIO(other.pcap)).count == 0


@pytest.mark.root
def test_without_root_it_says_so() -> None:
    user = "setpriv --reuid 65534 --regid 65534 --clear-groups --"
    assert capture("dash", "tcpdump", run=user) == Unavailable(Reason.NEEDS_ROOT)


@pytest.mark.root
@pytest.mark.parametrize("tool", HIDDEN)
def test_diagnose_captures_between_its_readings(tool: str, tmp_path: Path) -> None:
    command = f"{HIDDEN[tool]}{_TRAFFIC} exec '{FLEET}' diagnose --local --for 1 --capture tcp -f json --history none"
    done = subprocess.run(
        [*_NODE, command], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=90, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (3, b""), done
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["diagnose"]).validate(data)
    (host,) = data["hosts"].values()
    refused = host["causes"]["refused"]
    assert refused["verdict"] == "confirmed"
    assert any("in answer to a SYN" in line for line in refused["evidence"])
    assert any("it asked for refused" in line for line in refused["evidence"])
    assert not host["notes"]


@SHELL
def test_script_that_was_cut_off_runs_nothing(shell: str) -> None:
    script = capture_script()
    last = script.rindex(b"{ capture")
    arguments = capture_arguments(NONCE, seconds=1, words=("tcp",))
    for end in (*range(0, last, 397), *range(last, len(script) - 2)):
        done = subprocess.run(
            [*SHELLS[shell], "-s", "--", *arguments], input=script[:end], capture_output=True, check=False, timeout=60
        )
        assert done.stdout == b""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tcp", "tcp"),
        (" host 10.0.0.1  and  port 80 ", "tcp and host 10.0.0.1 and port 80"),
        ("tcp and host fd00::1", "tcp and host fd00::1"),
    ],
)
def test_filters_that_are_understood(text: str, words: str) -> None:
    assert " ".join(capture_filter(text)) == words


@pytest.mark.parametrize(
    "text",
    ["", "udp", "port 0", "port 65536", "port x", "host name", "host fe80::1%eth0", "port 1 or port 2", "-w /etc/x"],
)
def test_filters_that_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="host ADDRESS"):
        capture_filter(text)


def test_a_capture_that_did_not_start_says_why() -> None:
    answer = f"{NONCE} fleet-capture 1\n\n{NONCE} packets\n\n{NONCE} end\n".encode()
    with pytest.raises(ProtocolError, match="did not start on node-1; it said: tcpdump: no such device"):
        parse_capture(answer, b"x\ntcpdump: no such device\n", nonce=NONCE, host="node-1")
