"""What a Prometheus gate makes of the server's answer."""

import json
from contextlib import suppress
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.rollout import GateResult, PrometheusGate
from fleet.policy.prometheus import check_server, parse_comparison
from fleet.rollout.gates.prometheus import CredentialsError, authorization, decide
from fleet.rollout.gates.samples import AnswerError, Sample, samples
from fleet.transport.http import HttpAnswer

NOW = 1_795_000_000.123


def vector(*values: str, labels: object = None, **more: object) -> dict[str, object]:
    result = [
        {"metric": {"instance": f"web-{number}"} if labels is None else labels, "value": [NOW, value]}
        for number, value in enumerate(values, start=1)
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def read(body: object, *, status: int = 200) -> tuple[Sample, ...]:
    return samples(HttpAnswer(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode()))


def judge(expect: str, *values: str) -> GateResult:
    gate = PrometheusGate(url="https://prometheus.example.com", query="up", expect=expect)
    return decide(gate, read(vector(*values)))


@pytest.mark.parametrize(
    ("expect", "value", "passes"),
    [
        ("< 0.01", "0.0099", True),
        ("< 0.01", "0.01", False),
        ("<= 0.01", "0.01", True),
        (">= 1", "1", True),
        ("> 1", "1", False),
        ("== 0", "0", True),
        ("== 0", "-0", True),
        ("!= 0", "0", False),
        ("<1e3", "999.5", True),
        ("< 1e3", "+Inf", False),
        ("> 0", "+Inf", True),
        ("< 0", "-Inf", True),
        *((f"{operator} 0", "NaN", False) for operator in ("<", "<=", ">", ">=", "==", "!=")),
    ],
)
def test_sample_is_held_against_the_comparison(expect: str, value: str, *, passes: bool) -> None:
    assert judge(expect, value).passed is passes


def test_every_sample_counts_and_the_worst_is_shown() -> None:
    result = judge("< 0.01", "0", "0.5", "0.02")
    assert result == GateResult(
        kind="prometheus",
        passed=False,
        detail='{instance="web-2"} is 0.5, expected < 0.01; 2 of 3 samples not as expected',
    )
    assert judge(">= 1", "1", "0.5", "NaN").detail.startswith('{instance="web-3"} is nan, expected >= 1; 2 of 3')


def test_passing_gate_shows_how_near_it_was() -> None:
    assert judge("< 0.01", "0", "0.004").detail == '2 samples < 0.01; the nearest: {instance="web-2"} is 0.004'
    assert judge("> 1", "7", "3").detail == '2 samples > 1; the nearest: {instance="web-2"} is 3'


def test_no_sample_fails() -> None:
    result = judge("< 0.01")
    assert not result.passed
    assert "gives no sample" in result.detail


def test_scalar_is_one_sample() -> None:
    assert read({"status": "success", "data": {"resultType": "scalar", "result": [NOW, "3"]}}) == (Sample("", 3.0),)


def test_labels_are_shown_as_promql_has_them() -> None:
    [sample] = read(vector("1", labels={"__name__": "up", "job": 'a"b'}))
    assert str(sample) == 'up{job="a\\"b"} is 1'
    [bare] = read(vector("1", labels={}))
    assert str(bare) == "the result is 1"


def test_labels_cannot_steer_the_terminal() -> None:
    [sample] = read(vector("1", labels={"job": "\x1b[2J" + "x" * 9999}))
    assert str(sample).isprintable()
    assert len(str(sample)) < 200


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (
            {"status": "error", "errorType": "bad_data", "error": "parse \x1berror"},
            400,
            "refuses the query: parse \\x1b",
        ),
        (vector("1", warnings=["store 7 did not answer"]), 200, "may not be whole: store 7 did not answer"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, 200, "gives a matrix"),
        ({"status": "success", "data": {"resultType": "string", "result": [NOW, "a"]}}, 200, "gives a string"),
        (vector("1"), 500, "status 500"),
        (b"<html>\x1b Bad gateway", 502, "status 502 and no JSON of Prometheus; the answer begins with '<html>\\x1b"),
        (b"", 200, "status 200 and no JSON"),
        (b'{"status": "success", "data"', 200, "no JSON"),
        (b"[" * 100_000, 200, "no JSON"),
        (b"\xff\xfe\x00", 200, "no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", 200, "no JSON"),
        ([], 200, "not that of Prometheus"),
        ({"status": "success"}, 200, "not that of Prometheus"),
        ({"status": "success", "data": {"resultType": "vector"}}, 200, "not that of Prometheus"),
        ({"status": "success", "data": {"resultType": "vector", "result": {}}}, 200, "not that of Prometheus"),
        ({"status": "success", "data": {"resultType": "vector", "result": [1]}}, 200, "no labels or no value"),
        (
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": []}]}},
            200,
            "is a histogram",
        ),
        *((vector(value), 200, "no pair of a time and a number") for value in ("", "1_0", " 1", "0x1", "nan", "1;2")),
    ],
)
def test_other_answers_are_refused_with_what_was_seen(body: object, status: int, told: str) -> None:
    with pytest.raises(AnswerError) as caught:
        read(body, status=status)
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


def test_redirect_says_where_to() -> None:
    answer = HttpAnswer(status=302, body=b"", location="https://login.example.com/\x1b")
    with pytest.raises(AnswerError, match=r"redirects to https://login\.example\.com/\\x1b, which is not followed"):
        samples(answer)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["status", "data", "resultType", "result", "metric", "value", "error", "warnings"])
                | st.text(),
                inner,
            )
        ),
    )
)
def test_any_json_is_read_or_refused(body: object) -> None:
    with suppress(AnswerError):
        read(body)


@pytest.mark.parametrize("value", [0.0, 0.01, -3.5, 1e-9, 123456789.0, inf, -inf])
@pytest.mark.parametrize("text", ["< 0.01", ">= -3.5", "== 123456789"])
def test_comparison_says_what_it_holds_to(text: str, value: float) -> None:
    comparison = parse_comparison(text)
    assert str(comparison) == text
    assert comparison.holds(value) is eval(f"value {text}", {"value": value})  # noqa: S307 - the oracle
    assert not comparison.holds(nan)


@pytest.mark.parametrize(
    "text", ["", "0.01", "= 1", "=< 1", "< 1 %", "< 5%", "< x", "<", "< 1 2", "< Inf", "< nan", "<< 1"]
)
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no comparison with a number"):
        parse_comparison(text)


@pytest.mark.parametrize(
    "url", ["https://prometheus.example.com", "http://[::1]:9090/", "http://10.0.0.1:9090", "https://a.example/prom"]
)
def test_address_of_a_server_is_taken(url: str) -> None:
    check_server(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://me:secret@prometheus.example.com", "credentials"),
        ("https://token@prometheus.example.com", "credentials"),
        ("file:///etc/shadow", "no address such as"),
        ("ftp://a.example", "no address such as"),
        ("prometheus.example.com:9090", "no address such as"),
        ("https://", "no address such as"),
        ("http://a.example:99999", "no address"),
        ("http://a.example:0", "no address"),
        ("http://[::1", "no address"),
        ("https://a.example/ b", "no address such as"),
        ("https://a.example/\r\nHost: b", "no address such as"),
        ("https://ä.example", "no address such as"),
        ("https://a.example/?x=1", "has to end before"),
        ("https://a.example/#x", "has to end before"),
        ("https://a.example/api/v1/query", "has to end before"),
    ],
)
def test_other_addresses_are_refused_without_showing_a_secret(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        check_server(url)
    assert "secret" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_credentials_come_from_the_environment() -> None:
    assert authorization({}) is None
    token = authorization({"FLEET_PROMETHEUS_TOKEN": "abc"})
    basic = authorization({"FLEET_PROMETHEUS_USER": "me", "FLEET_PROMETHEUS_PASSWORD": "p:w"})
    assert token is not None
    assert basic is not None
    assert (token.reveal(), basic.reveal()) == ("Bearer abc", "Basic bWU6cDp3")
    assert "abc" not in repr(token)
    with pytest.raises(CredentialsError, match="unset one of them"):
        authorization({"FLEET_PROMETHEUS_TOKEN": "abc", "FLEET_PROMETHEUS_USER": "me"})
