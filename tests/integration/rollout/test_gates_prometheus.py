"""The Prometheus gate against a real server, which is slow, wrong or hostile."""

import json
import socket
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.http_server import falls_silent, says, self_signed, sends, serving

from fleet.model.rollout import GateResult, PrometheusGate
from fleet.model.secret import Secret
from fleet.rollout.gates.prometheus import check_prometheus
from fleet.transport.http import HttpError, get

QUERY = 'sum(rate(node_netstat_Tcp_OutRsts{instance=~"web.*"}[1m])) by (instance)'
GOOD = json.dumps(
    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.5, "0.002"]}]}}
).encode()
SECRET = "very-secret-token"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "USER", "PASSWORD"):
        monkeypatch.delenv(f"FLEET_PROMETHEUS_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def check(url: str, *, timeout: float = 10.0) -> GateResult:
    return check_prometheus(PrometheusGate(url=url, query=QUERY, expect="< 0.01", timeout=timeout))


def test_query_reaches_the_server_as_it_was_written() -> None:
    with serving(says(GOOD)) as server:
        result = check(f"{server.url}/prom/")
    assert result == GateResult(
        kind="prometheus", passed=True, detail="1 sample < 0.01; the nearest: the result is 0.002"
    )
    [request] = server.requests
    path = urlsplit(request.split()[1])
    assert request.startswith("GET ")
    assert (path.path, parse_qs(path.query)) == ("/prom/api/v1/query", {"query": [QUERY], "timeout": ["10s"]})
    assert "authorization" not in request.lower()


def test_token_goes_over_tls_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", SECRET)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(says(GOOD), certificate=certificate) as server:
        result = check(server.url)
    assert result.passed
    assert f"Authorization: Bearer {SECRET}" in server.requests[0]
    assert SECRET not in server.requests[0].split("\r\n")[0] + result.detail


def test_password_goes_as_basic_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_USER", "me")
    monkeypatch.setenv("FLEET_PROMETHEUS_PASSWORD", "pw")
    with serving(says(GOOD)) as server:
        assert check(server.url).passed
    assert "Authorization: Basic bWU6cHc=" in server.requests[0]


def test_secret_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", SECRET)
    result = check("http://prometheus.example.com")
    assert not result.passed
    assert "in the clear: use https" in result.detail


def test_server_that_repeats_the_secret_does_not_get_it_into_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", SECRET)
    said = json.dumps({"status": "error", "error": f"bad token Bearer {SECRET}"}).encode()
    for answer in (
        says(said, status="401 Unauthorized"),
        says(f"no: {SECRET}".encode(), status="401 No"),
        sends(SECRET.encode() + b"\r\n"),
    ):
        with serving(answer) as server:
            result = check(server.url)
        assert not result.passed
        assert SECRET not in repr(result)


def test_secret_that_is_no_header_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (f"{SECRET}\nHost: evil", f"{SECRET}\N{SNOWMAN}"):
        monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", text)
        result = check("https://127.0.0.1:1")
        assert "a header cannot carry" in result.detail
        assert SECRET not in result.detail


def test_certificate_that_does_not_verify_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", SECRET)
    with serving(says(GOOD), certificate=self_signed(tmp_path / "server.pem")) as server:
        result = check(server.url)
    assert not result.passed
    assert "the certificate is not accepted: self-signed certificate" in result.detail
    assert server.requests == []


def test_tls_against_a_server_without_it_is_told() -> None:
    with serving(says(GOOD)) as server:
        assert "TLS fails" in check(server.url.replace("http:", "https:"), timeout=5).detail


def test_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", SECRET)
    with serving(says(GOOD)) as elsewhere:
        with serving(says(b"", status="302 Found", headers=f"Location: {elsewhere.url}/login\r\n")) as server:
            result = check(server.url)
        assert not result.passed
        assert f"redirects to {elsewhere.url}/login" in result.detail
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(falls_silent, id="silent"),
        pytest.param(sends(b"HTTP/1.1 200 OK\r\n", b"X", every=0.05), id="header byte by byte"),
        pytest.param(sends(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.05), id="continue for ever"),
        pytest.param(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" ", every=0.05), id="body by byte"),
        pytest.param(
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", every=0.05), id="chunks"
        ),
    ],
)
def test_server_that_does_not_come_to_an_end_is_left_in_time(answer: object) -> None:
    with serving(answer) as server:  # type: ignore[arg-type] # parametrize gives objects
        started = time.monotonic()
        result = check(server.url, timeout=1.0)
        took = time.monotonic() - started
        while any(thread.name == "http" for thread in threading.enumerate()):
            assert time.monotonic() - started < 30, "the thread goes on with a server that nobody waits for"
            time.sleep(0.02)
    assert result.detail == f"{server.url}: there was no whole answer within 1 s"
    assert took < 10


def test_huge_answer_is_refused_while_it_is_read() -> None:
    with serving(sends(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, every=0.001)) as server:
        assert "longer than 4194304 bytes" in check(server.url, timeout=60).detail


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (says(b"oops", status="500 Internal Server Error"), "status 500 and no JSON of Prometheus"),
        (says(GOOD[:40]), "status 200 and no JSON"),
        (sends(b"SSH-2.0-OpenSSH\r\n\x1b[2J"), "the answer is not one of HTTP: SSH-2.0-OpenSSH"),
        (sends(b""), "no connection: Remote end closed connection"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}"), "the answer was cut off"),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "the answer"),
        (sends(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n"), "the answer is not one of HTTP"),
        (sends(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "the answer is not one of HTTP"),
    ],
)
def test_malformed_answers_fail_with_what_was_seen(answer: object, told: str) -> None:
    with serving(answer) as server:  # type: ignore[arg-type] # parametrize gives objects
        result = check(server.url)
    assert not result.passed
    assert told in result.detail
    assert result.detail.isprintable()


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert check(f"http://127.0.0.1:{port}").detail == f"http://127.0.0.1:{port}: no connection: Connection refused"
    assert "the name is not known" in check("http://no-such-host.invalid").detail


def test_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert check("http://prometheus.example.com").passed
    assert proxy.requests[0].startswith("GET http://prometheus.example.com/api/v1/query?")


def test_proxy_that_refuses_a_tunnel_is_told_and_never_sees_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", SECRET)
    with serving(says(b"", status="403 Forbidden")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        result = check("https://prometheus.example.com")
    assert "no connection: Tunnel connection failed: 403 Forbidden" in result.detail
    assert proxy.requests[0].startswith("CONNECT prometheus.example.com:443")
    assert SECRET not in proxy.requests[0]


def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(says(GOOD)) as server:
        assert check(server.url).passed


def test_body_may_be_as_long_as_allowed() -> None:
    with serving(says(b"x" * 100)) as server:
        assert get(server.url, timeout=10, most=100).body == b"x" * 100
        with pytest.raises(HttpError, match="longer than 99 bytes"):
            get(server.url, timeout=10, most=99, authorization=Secret("Bearer a"))
