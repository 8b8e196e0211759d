"""The parser of a survey of pods."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.probe import NONCE

from fleet.facts.pods import parse_pods, pods_arguments
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.model.pods import PodSample, PodSurvey

MARK = NONCE.encode()
KEYS = ("net.ipv4.tcp_keepalive_time", "net.ipv4.no_such_key")
UID = "0f4b2a66-9d3c-4f0e-8a1b-3c5d7e9f1a2b"
CONTAINER = "c0ffee" * 10 + "0123"
LISTED = b"seen 9\n100 7 4026532001 nginx: a) b\n200 21 4026532002 pause\n"


def values(hostname: bytes, *seen: bytes) -> bytes:
    return b"".join(value + MARK + b"=\0" for value in (hostname + b"\n", *seen))


def sample(pid: int, cgroup: str, body: bytes) -> bytes:
    return b"%s=pid %d\n%s\n%s=values\n%s" % (MARK, pid, cgroup.encode(), MARK, body)


def answer(
    *samples: bytes, own: bytes = values(b"node-1", b"600\n", b""), namespaces: bytes = LISTED, end: bytes = b"end"
) -> bytes:
    sections = ((b"own", own), (b"namespaces", namespaces), (b"samples", b"".join(samples)), (end, b""))
    return MARK + b" fleet-pods 1\n" + b"".join(b"\n%s %s\n%s" % (MARK, name, body) for name, body in sections)


def parse(raw: bytes) -> PodSurvey | Unavailable:
    return parse_pods(raw, nonce=NONCE, keys=KEYS, host="node-1")


def only(raw: bytes) -> PodSample:
    seen = parse(raw)
    assert isinstance(seen, PodSurvey)
    [one] = seen.samples
    return one


def test_survey_is_read() -> None:
    systemd = f"0::/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope"
    seen = parse(answer(sample(7, systemd, values(b"web-1", b"7200\n", b"")), sample(21, "", b"")))
    assert seen == PodSurvey(
        host={KEYS[0]: "600"},
        namespaces=2,
        samples=(
            PodSample(
                pid=7, name="nginx: a) b", hostname="web-1", pod=UID, container=CONTAINER, values={KEYS[0]: "7200"}
            ),
        ),
    )


@pytest.mark.parametrize(
    ("cgroup", "pod", "container"),
    [
        (f"0::/kubepods/burstable/pod{UID}/{CONTAINER}", UID, CONTAINER),
        (f"11:memory:/kubepods/pod{UID}/{CONTAINER}\n1:name=systemd:/kubepods/pod{UID}/{CONTAINER}", UID, CONTAINER),
        (f"0::/kubepods.slice/kubepods-pod{'ab' * 16}.slice/crio-{CONTAINER}.scope", "ab" * 16, CONTAINER),
        (f"0::/system.slice/docker-{CONTAINER}.scope", "", CONTAINER),
        ("0::/system.slice/systemd-hostnamed.service", "", ""),
        ("0::/user.slice/podman-1234.scope", "", ""),
        ("", "", ""),
    ],
)
def test_pod_and_container_are_those_of_the_cgroup(cgroup: str, pod: str, container: str) -> None:
    one = only(answer(sample(7, cgroup, values(b"web-1", b"7200\n", b""))))
    assert (one.pod, one.container) == (pod, container)


def test_hostname_of_the_node_is_no_name_of_a_pod() -> None:
    assert only(answer(sample(7, "", values(b"node-1", b"7200\n", b"")))).hostname == ""


def test_what_a_process_calls_itself_is_safe_to_show() -> None:
    listed = LISTED.replace(b"nginx: a) b", b"\x1b[2J\xff")
    one = only(answer(sample(7, "", values(b"\x1b]0;x\x07", b"72\x1b00\n", b"")), namespaces=listed))
    assert one.name.isprintable()
    assert one.hostname.isprintable()
    assert one.values[KEYS[0]].isprintable()


def test_node_without_other_namespaces_is_told_from_one_that_hides_them() -> None:
    assert parse(answer(namespaces=b"seen 140\n")) == PodSurvey(host={KEYS[0]: "600"}, namespaces=0, samples=())
    assert parse(answer(namespaces=b"seen 0\n")) == Unavailable(
        Reason.IMPOSSIBLE, "the namespaces of processes are not to be seen"
    )


def test_namespaces_of_which_none_could_be_entered_are_told() -> None:
    assert parse(answer(sample(7, "", b""), sample(21, "", b""))) == Unavailable(
        Reason.IMPOSSIBLE, "none of the namespaces could be entered"
    )


def test_refusal_says_why() -> None:
    raw = b"%s fleet-pods 1\n\n%s refused\nmissing nsenter\n\n%s end\n" % (MARK, MARK, MARK)
    assert parse(raw) == Unavailable(Reason.NOT_INSTALLED, "nsenter")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (answer(end=b"more"), "cut off after"),
        (answer(own=values(b"node-1")), "1 values for a name and 2 keys"),
        (answer(namespaces=b""), "an unfinished list of namespaces"),
        (answer(namespaces=b"seen 9\nx y\n"), "an unfinished namespace: 'x y'"),
        (answer(namespaces=b"seen 9\n1 x 3 n\n"), "not a number: 'x'"),
        (answer(b"noise"), "text before the first sample: 'noise'"),
        (answer(sample(8, "", b"")), "an unfinished sample"),
        (answer(MARK + b"=pid 7\n"), "an unfinished sample"),
        (answer().replace(b"fleet-pods", b"fleet-facts"), "did not run the probe"),
    ],
)
def test_other_answers_are_refused(raw: bytes, told: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(raw)
    assert told in str(caught.value)


@settings(max_examples=150)
@given(st.data())
def test_mutated_answer_is_parsed_or_refused_but_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(answer(sample(7, f"/pod{UID}", values(b"web-1", b"7200\n", b"")), sample(21, "", b"")))
    for _ in range(data.draw(st.integers(min_value=1, max_value=6))):
        start = data.draw(st.integers(min_value=0, max_value=len(raw)))
        end = start + data.draw(st.integers(min_value=0, max_value=30))
        pieces = [MARK, MARK + b"=\0", MARK + b"=pid 7\n", MARK + b"=values\n", b"\0", b"9" * 30, b"\n"]
        raw[start:end] = data.draw(st.binary(max_size=10) | st.sampled_from(pieces))
    with suppress(ProtocolError):
        parse(bytes(raw))


def test_arguments_are_plain_words() -> None:
    assert pods_arguments(NONCE, KEYS, 5) == (NONCE, "5", "net/ipv4/tcp_keepalive_time", "net/ipv4/no_such_key")
    with pytest.raises(ValueError, match="at least one"):
        pods_arguments(NONCE, KEYS, 0)
    with pytest.raises(ValueError, match="not the name"):
        pods_arguments(NONCE, ("net.ipv4.$(reboot)",))
