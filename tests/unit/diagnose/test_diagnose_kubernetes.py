"""What a cluster's objects tell, and that none of them is too strange."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.diagnose import read_kubernetes
from fleet.diagnose.kubernetes import judge_kubernetes
from fleet.model.diagnosis import CauseVerdict
from fleet.model.errors import DocumentError

KIND = "service.beta.kubernetes.io"
AZURE = f"{KIND}/azure-load-balancer-tcp-idle-timeout"
CONTAINER: dict[str, Any] = {
    "name": "web",
    "ports": [{"containerPort": 80}],
    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    "readinessProbe": {"httpGet": {"port": 80}},
}
SERVICE: dict[str, Any] = {
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"type": "ClusterIP", "selector": {"app": "web"}},
}


def deployment(*, grace: int = 30, sysctls: Any = None, **container: Any) -> dict[str, Any]:  # noqa: ANN401 # JSON
    spec = {"containers": [CONTAINER | container], "terminationGracePeriodSeconds": grace}
    spec["securityContext"] = {"sysctls": sysctls or []}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    return {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"template": template}}


def killing(pod: str) -> dict[str, Any]:
    return {"kind": "Event", "reason": "Killing", "involvedObject": {"namespace": "shop", "name": pod}}


def endpoints(pod: str = "web-7d4-x", **conditions: bool) -> dict[str, Any]:
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": "web-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"conditions": conditions, "targetRef": {"kind": "Pod", "name": pod}}],
    }


def pod(**ended: Any) -> dict[str, Any]:  # noqa: ANN401 # JSON
    status = {"name": "web", "restartCount": 2, "lastState": {"terminated": ended} if ended else {}}
    return {
        "kind": "Pod",
        "metadata": {"name": "web-7d4-x", "namespace": "shop", "ownerReferences": [{"kind": "ReplicaSet"}]},
        "status": {"containerStatuses": [status]},
    }


def balancer(**annotations: str) -> dict[str, Any]:
    service = deepcopy(SERVICE)
    service["spec"]["type"] = "LoadBalancer"
    service["metadata"]["annotations"] = annotations
    return service


def verdict(cause: str, *objects: dict[str, Any]) -> CauseVerdict:
    return {each.cause: each for each in judge_kubernetes(objects)}[cause]


def test_a_careful_workload_is_not_blamed() -> None:
    found = judge_kubernetes([deployment(), SERVICE, endpoints(ready=True), killing("web-7d4-x")])
    assert {each.verdict for each in found} == {"excluded"}


@pytest.mark.parametrize("careless", [{"lifecycle": {}}, {"grace": 5}])
def test_an_abrupt_end_is_likely_where_pods_were_ended_and_else_a_risk(careless: dict[str, Any]) -> None:
    web = deployment(**careless)
    assert verdict("graceful-end", web, SERVICE, killing("web-7d4-x")).verdict == "likely"
    assert verdict("graceful-end", web, SERVICE, killing("webber")).verdict == "cannot tell"
    assert verdict("graceful-end", web, SERVICE).verdict == "cannot tell"
    assert verdict("graceful-end", web).verdict == "excluded"  # nobody connects to it


def test_a_service_of_another_namespace_selects_nothing() -> None:
    other = SERVICE | {"metadata": {"name": "web", "namespace": "other"}}
    assert verdict("graceful-end", deployment(lifecycle={}), other, killing("web-1")).verdict == "excluded"


def test_pods_that_no_listed_workload_owns_are_judged_themselves() -> None:
    pod = deployment(lifecycle={})["spec"]["template"] | {"kind": "Pod"}
    pod["metadata"] |= {"name": "lone", "namespace": "shop"}
    found = verdict("graceful-end", pod, SERVICE, killing("lone"))
    assert found.verdict == "likely"
    assert "shop/lone: no preStop hook in web" in found.evidence


def test_tcp_probes_are_told_with_their_period_and_not_blamed() -> None:
    found = verdict("tcp-probes", deployment(livenessProbe={"tcpSocket": {"port": 80}, "periodSeconds": 7}))
    assert found.verdict == "cannot tell"
    assert found.evidence[0] == "shop/web: livenessProbe of web is a tcpSocket probe, every 7 s"


def test_a_load_balancer_is_held_against_the_pods_keepalive() -> None:
    early = deployment(sysctls=[{"name": "net.ipv4.tcp_keepalive_time", "value": "120"}])
    assert verdict("load-balancer-idle", balancer(**{AZURE: "4"}), deployment()).verdict == "cannot tell"
    assert "idle timeout 240 s" in verdict("load-balancer-idle", balancer(**{AZURE: "4"}), deployment()).evidence[0]
    assert verdict("load-balancer-idle", balancer(**{AZURE: "4"}), early).verdict == "excluded"
    assert verdict("load-balancer-idle", SERVICE, deployment()).verdict == "excluded"


def test_an_endpoint_that_is_leaving_tells_that_a_pod_was_ended() -> None:
    web = deployment(lifecycle={})
    assert verdict("graceful-end", web, SERVICE, endpoints(terminating=True)).verdict == "likely"
    assert verdict("graceful-end", web, SERVICE, endpoints(terminating=False)).verdict == "cannot tell"
    assert verdict("graceful-end", web, SERVICE, endpoints("db-1", terminating=True)).verdict == "cannot tell"


def test_a_service_without_a_ready_endpoint_is_named_unless_nobody_wants_one() -> None:
    parked = deployment()
    parked["spec"]["replicas"] = 0
    found = verdict("no-endpoints", deployment(), SERVICE, endpoints(ready=False))
    assert (found.verdict, found.evidence) == ("likely", ("shop/web: none of its endpoints is ready",))
    assert verdict("no-endpoints", deployment(), SERVICE, endpoints(ready=True)).verdict == "excluded"
    assert verdict("no-endpoints", deployment(), SERVICE, endpoints()).verdict == "excluded"  # not given: ready
    assert verdict("no-endpoints", parked, SERVICE, endpoints(ready=False)).verdict == "excluded"
    assert verdict("no-endpoints", deployment(), SERVICE).verdict == "cannot tell"


def test_a_container_that_failed_is_named_where_events_tell_that_it_was_lately() -> None:
    failed = pod(exitCode=137, reason="OOMKilled", finishedAt="2026-11-20T12:00:00Z")
    trouble = killing("web-7d4-x") | {"reason": "BackOff"}
    found = verdict("container-restarts", failed, trouble)
    assert found.verdict == "likely"
    assert found.evidence == (
        "shop/web-7d4-x: web ended at 2026-11-20T12:00:00Z with OOMKilled (137), and was restarted 2 times",
    )
    assert verdict("container-restarts", failed, killing("other")).verdict == "cannot tell"
    assert verdict("container-restarts", pod(exitCode=0, reason="Completed"), trouble).verdict == "excluded"
    assert verdict("container-restarts", pod(), trouble).verdict == "excluded"


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({f"{KIND}/aws-load-balancer-healthcheck-protocol": "TCP"}, "aws-load-balancer-healthcheck-protocol is tcp"),
        (
            {
                f"{KIND}/aws-load-balancer-healthcheck-protocol": "tcp",
                f"{KIND}/aws-load-balancer-healthcheck-interval": "10",
            },
            "aws-load-balancer-healthcheck-protocol is tcp, every 10 s",
        ),
        ({f"{KIND}/port_80_health-probe_protocol": "Tcp"}, "port_80_health-probe_protocol is tcp"),
    ],
)
def test_health_checks_of_load_balancers_are_told_like_probes(annotations: dict[str, str], told: str) -> None:
    found = verdict("tcp-probes", balancer(**annotations), deployment())
    assert (found.verdict, found.evidence[0]) == ("cannot tell", f"shop/web: {told}")
    http = dict.fromkeys(annotations, "http")
    assert verdict("tcp-probes", balancer(**http), deployment()).verdict == "excluded"


def test_the_idle_timeout_of_a_listener_is_read() -> None:
    nlb = {f"{KIND}/aws-load-balancer-listener-attributes.TCP-80": "a.b=c,tcp.idle_timeout.seconds=400"}
    assert "idle timeout 400 s" in verdict("load-balancer-idle", balancer(**nlb), deployment()).evidence[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "kind",
                    "metadata",
                    "spec",
                    "template",
                    "containers",
                    "name",
                    "labels",
                    "selector",
                    "type",
                    "annotations",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kind", "metadata", "spec", "reason", "involvedObject", "status", "endpoints"]), JSON
        )
    ),
    st.sampled_from(["Deployment", "Service", "Event", "Pod", "EndpointSlice"]),
)
def test_no_object_is_too_strange(objects: list[dict[str, Any]], kind: str) -> None:
    assert len(judge_kubernetes([each | {"kind": kind} for each in objects])) == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "list.json:1:1: not JSON: Expecting value (make it with: kubectl get pods"),
        ('{"items": 3}', "no list of objects"),
        ("[]", "no list of objects"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_kubectl_does_not_print_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(DocumentError) as caught:
        read_kubernetes(str(path))
    assert told in str(caught.value)


def test_a_file_of_kubectl_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"kind": "List", "items": [deployment(), SERVICE, None, 3]}))
    assert len(read_kubernetes(str(path))) == 5
