"""What the objects of a cluster tell of broken connections: graceful ends, probes, load balancers, keepalive."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from fleet.diagnose.balancers import judge_load_balancers, tcp_health_checks
from fleet.diagnose.endpoints import ended_pods, judge_endpoints, judge_restarts
from fleet.diagnose.objects import (
    Object,
    belongs,
    first,
    full_name,
    items,
    mapping,
    number,
    of_kind,
    selects,
    some,
    text,
)
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
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_DEFAULT_GRACE = 30
_DEFAULT_PERIOD = 10
_SHORT_GRACE = 15
"""Shorter than what endpoints commonly take to be gone everywhere, plus a request."""


def judge_kubernetes(objects: Sequence[Object]) -> tuple[CauseVerdict, ...]:
    """The verdicts on the objects of a cluster."""
    listed = list(objects)
    workloads = [each for kind in _WORKLOADS for each in of_kind(listed, kind)]
    # Pods that belong to a listed workload have its template.
    lone = [pod for pod in of_kind(listed, "Pod") if not workloads or not items(pod, "metadata", "ownerReferences")]
    templates = {full_name(each): mapping(each, "spec", "template") for each in workloads}
    templates |= {full_name(pod): pod for pod in lone}
    services = list(of_kind(listed, "Service"))
    served = {name: each for name, each in templates.items() if any(selects(one, name, each) for one in services)}
    slices = list(of_kind(listed, "EndpointSlice"))
    events = list(of_kind(listed, "Event"))
    return (
        _graceful(served, ended_pods(events, slices)),
        judge_restarts(list(of_kind(listed, "Pod")), events),
        judge_endpoints([each for each in services if not _is_parked(each, workloads)], slices),
        _tcp_probes(templates, services),
        judge_load_balancers(services, templates),
    )


def _is_parked(service: Object, workloads: Iterable[Object]) -> bool:
    """Whether all that it selects was scaled to nothing on purpose."""
    chosen = [each for each in workloads if selects(service, full_name(each), mapping(each, "spec", "template"))]
    return bool(chosen) and all(number(each, "spec", "replicas") == 0 for each in chosen)


def _graceful(served: Mapping[str, Object], ended_now: Collection[str]) -> CauseVerdict:
    abrupt = {name: why for name, template in served.items() if (why := _why_abrupt(template))}
    if not abrupt:
        counted = several(len(served), "workload")
        return GRACEFUL_END.is_("excluded", f"each of {counted} behind a Service has a preStop hook and time to end")
    ended = sorted(name for name in abrupt if any(belongs(pod, name) for pod in ended_now))
    lines = [f"{name}: {abrupt[name]}" for name in (*ended, *sorted(abrupt.keys() - set(ended)))]
    if ended:
        return GRACEFUL_END.is_("likely", f"pods were ended of {some(ended)}", *first(lines))
    missing = "nothing tells that their pods were ended, so it is a risk at the next rollout: compare the log's times"
    return GRACEFUL_END.is_("cannot tell", *first(lines), missing)


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


def _tcp_probes(templates: Mapping[str, Object], services: Iterable[Object]) -> CauseVerdict:
    lines = [
        f"{name}: {probe} of {text(container, 'name') or '?'} is a tcpSocket probe, every"
        f" {number(container, probe, 'periodSeconds') or _DEFAULT_PERIOD} s"
        for name, template in sorted(templates.items())
        for container in items(template, "spec", "containers")
        for probe in _PROBES
        if "tcpSocket" in mapping(container, probe)
    ]
    lines += [line for service in services for line in tcp_health_checks(service)]
    if not lines:
        return PROBES.is_(
            "excluded",
            f"none of {several(len(templates), 'workload')} has a tcpSocket probe, no load balancer a TCP health check",
        )
    hint = "that is no fault in itself: 'fleet diagnose --log FILE' shows whether resets come at such an interval"
    return PROBES.is_("cannot tell", *first(lines), hint)
