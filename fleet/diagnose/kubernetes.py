"""What the objects of a cluster tell of broken connections: graceful ends, probes, load balancers, keepalive."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from fleet.diagnose.objects import Object, full_name, items, mapping, number, of_kind, text
from fleet.diagnose.rule import Cause, several
from fleet.model.diagnosis import CauseVerdict

_TERMINATION = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"

GRACEFUL_END: Final = Cause(
    name="graceful-end",
    title="pods end while connections still come in",
    place="application",
    remedy="Not a node problem. Give the containers a preStop hook that sleeps some seconds (lifecycle.preStop.sleep),"
    " so that endpoints are gone before the server is, a longer terminationGracePeriodSeconds than the longest request,"
    " and let the application close its connections at SIGTERM.",
    sources=(_TERMINATION,),
)
PROBES: Final = Cause(
    name="tcp-probes",
    title="probes that connect and hang up",
    place="application",
    remedy="Not a node problem. Make it an httpGet or grpc probe, or keep its lines out of the application's log.",
    sources=("https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",),
)
LOAD_BALANCER: Final = Cause(
    name="load-balancer-idle",
    title="a load balancer forgets idle connections sooner than pods probe them",
    place="elsewhere",
    remedy="Not a node problem. Raise the idle timeout by the Service's annotation, or let both ends send keepalives"
    " sooner than it.",
    sources=(
        "https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset",
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html",
    ),
)

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_KEEPALIVE = "net.ipv4.tcp_keepalive_time"
_KERNEL_KEEPALIVE = 7200
_DEFAULT_GRACE = 30
_DEFAULT_PERIOD = 10
_SHORT_GRACE = 15
"""Shorter than what endpoints commonly take to be gone everywhere, plus a request."""
_IDLE = {
    "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout": 1,
    "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": 60,
}
"""Annotations with an idle timeout, and how many seconds one of their units has."""
_MOST_NAMED = 8


def judge_kubernetes(objects: Sequence[Object]) -> tuple[CauseVerdict, ...]:
    """The verdicts on the objects of a cluster."""
    listed = list(objects)
    workloads = [each for kind in _WORKLOADS for each in of_kind(listed, kind)]
    # Pods that belong to a listed workload have its template.
    lone = [pod for pod in of_kind(listed, "Pod") if not workloads or not items(pod, "metadata", "ownerReferences")]
    templates = {full_name(each): mapping(each, "spec", "template") for each in workloads}
    templates |= {full_name(pod): pod for pod in lone}
    services = list(of_kind(listed, "Service"))
    served = {name: each for name, each in templates.items() if any(_selects(one, name, each) for one in services)}
    return (
        _graceful(served, list(of_kind(listed, "Event"))),
        _tcp_probes(templates),
        _load_balancers(services, templates),
    )


def _graceful(served: Mapping[str, Object], events: Iterable[Object]) -> CauseVerdict:
    abrupt = {name: why for name, template in served.items() if (why := _why_abrupt(template))}
    if not abrupt:
        counted = several(len(served), "workload")
        return GRACEFUL_END.is_("excluded", f"each of {counted} behind a Service has a preStop hook and time to end")
    killed = {
        f"{text(event, 'involvedObject', 'namespace')}/{text(event, 'involvedObject', 'name')}"
        for event in events
        if event.get("reason") == "Killing"
    }
    ended = sorted(name for name in abrupt if any(_belongs(pod, name) for pod in killed))
    lines = [f"{name}: {abrupt[name]}" for name in (*ended, *sorted(abrupt.keys() - set(ended)))]
    if ended:
        return GRACEFUL_END.is_("likely", f"pods were ended of {_some(ended)}", *_first(lines))
    missing = "no event tells that their pods were ended, so it is a risk at the next rollout: compare the log's times"
    return GRACEFUL_END.is_("cannot tell", *_first(lines), missing)


def _why_abrupt(template: Object) -> str:
    spec = mapping(template, "spec")
    without = [
        text(container, "name") or "?"
        for container in items(spec, "containers")
        if items(container, "ports") and not mapping(container, "lifecycle", "preStop")
    ]
    given = number(spec, "terminationGracePeriodSeconds")
    grace = _DEFAULT_GRACE if given is None else given
    reasons = [f"no preStop hook in {', '.join(without)}"] if without else []
    if grace < _SHORT_GRACE:
        reasons.append(f"terminationGracePeriodSeconds is {grace}")
    return "; ".join(reasons)


def _tcp_probes(templates: Mapping[str, Object]) -> CauseVerdict:
    lines = [
        f"{name}: {probe} of {text(container, 'name') or '?'} is a tcpSocket probe, every"
        f" {number(container, probe, 'periodSeconds') or _DEFAULT_PERIOD} s"
        for name, template in sorted(templates.items())
        for container in items(template, "spec", "containers")
        for probe in _PROBES
        if "tcpSocket" in mapping(container, probe)
    ]
    if not lines:
        return PROBES.is_("excluded", f"none of {several(len(templates), 'workload')} has a tcpSocket probe")
    hint = "that is no fault in itself: 'fleet diagnose --log FILE' shows whether resets come at such an interval"
    return PROBES.is_("cannot tell", *_first(lines), hint)


def _load_balancers(services: Iterable[Object], templates: Mapping[str, Object]) -> CauseVerdict:
    balanced = [each for each in services if text(each, "spec", "type") == "LoadBalancer"]
    lines = []
    for service in balanced:
        seconds, source = _idle_timeout(service)
        late = sorted(
            name
            for name, template in templates.items()
            if _selects(service, name, template) and (seconds is None or _keepalive(template) >= seconds)
        )
        if late:
            told = f"{seconds} s ({source})" if seconds else "not told by an annotation (Azure: 240 s, AWS NLB: 350 s)"
            lines.append(f"{full_name(service)}: idle timeout {told}; the kernel's keepalive is later in {_some(late)}")
    if not lines:
        what = several(len(balanced), "Service")
        return LOAD_BALANCER.is_("excluded", f"{what} of type LoadBalancer, none with pods that probe too late")
    hint = "whether connections are idle for so long, and whether the application probes them itself, only it can tell"
    return LOAD_BALANCER.is_("cannot tell", *_first(lines), hint)


def _idle_timeout(service: Object) -> tuple[int | None, str]:
    for name, unit in _IDLE.items():
        value = text(service, "metadata", "annotations", name)
        if value.isascii() and value.isdigit() and len(value) < len("1000000"):
            return int(value) * unit, name
    return None, ""


def _keepalive(template: Object) -> int:
    for sysctl in items(template, "spec", "securityContext", "sysctls"):
        value = text(sysctl, "value")
        if text(sysctl, "name") == _KEEPALIVE and value.isascii() and value.isdigit():
            return int(value[:9])
    return _KERNEL_KEEPALIVE


def _selects(service: Object, name: str, template: Object) -> bool:
    selector = mapping(service, "spec", "selector")
    labels = mapping(template, "metadata", "labels")
    same_namespace = full_name(service).partition("/")[0] == name.partition("/")[0]
    return same_namespace and bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _belongs(pod: str, workload: str) -> bool:
    return pod == workload or pod.startswith(f"{workload}-")


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"{len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return [*lines[:_MOST_NAMED], *more]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
