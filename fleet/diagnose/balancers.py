"""What the annotations of Services tell of load balancers: how long a connection may be idle, and health checks."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fleet.diagnose.objects import Object, first, full_name, items, mapping, selects, some, text
from fleet.diagnose.rule import Cause, several
from fleet.model.diagnosis import CauseVerdict

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

_KEEPALIVE = "net.ipv4.tcp_keepalive_time"
_KERNEL_KEEPALIVE = 7200
_KIND = "service.beta.kubernetes.io"
_IDLE = {
    f"{_KIND}/aws-load-balancer-connection-idle-timeout": 1,
    f"{_KIND}/azure-load-balancer-tcp-idle-timeout": 60,
}
"""Annotations with an idle timeout, and how many seconds one of their units has."""
_SECONDS = re.compile(r"[0-9]{1,6}")
# https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/annotations/
_NLB_LISTENER = f"{_KIND}/aws-load-balancer-listener-attributes."
_NLB_IDLE = re.compile(r"(?:^|,)\s*tcp\.idle_timeout\.seconds=([0-9]{1,6})\b")
# https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/
_CHECK_PROTOCOL = re.compile(r"healthcheck-protocol$|health-probe[-_]protocol$")
_CHECK_INTERVAL = re.compile(r"healthcheck-interval$|health-probe[-_]interval$")


def judge_load_balancers(services: Iterable[Object], templates: Mapping[str, Object]) -> CauseVerdict:
    """Hold the idle timeouts of load balancers against the keepalive of the pods behind them."""
    balanced = [each for each in services if text(each, "spec", "type") == "LoadBalancer"]
    lines = []
    for service in balanced:
        seconds, source = _idle_timeout(service)
        late = sorted(
            name
            for name, template in templates.items()
            if selects(service, name, template) and (seconds is None or _keepalive(template) >= seconds)
        )
        if late:
            told = f"{seconds} s ({source})" if seconds else "not told by an annotation (Azure: 240 s, AWS NLB: 350 s)"
            lines.append(f"{full_name(service)}: idle timeout {told}; the kernel's keepalive is later in {some(late)}")
    if not lines:
        what = several(len(balanced), "Service")
        return LOAD_BALANCER.is_("excluded", f"{what} of type LoadBalancer, none with pods that probe too late")
    hint = "whether connections are idle for so long, and whether the application probes them itself, only it can tell"
    return LOAD_BALANCER.is_("cannot tell", *first(lines), hint)


def tcp_health_checks(service: Object) -> Iterator[str]:
    """The annotations by which a load balancer is told to connect and hang up."""
    if text(service, "spec", "type") != "LoadBalancer":
        return
    annotations = mapping(service, "metadata", "annotations")
    for name, value in sorted(annotations.items()):
        kind, _, what = name.partition("/")
        if kind == _KIND and _CHECK_PROTOCOL.search(what) and str(value).lower() == "tcp":
            every = next((annotations[each] for each in sorted(annotations) if _CHECK_INTERVAL.search(each)), None)
            told = f", every {every} s" if isinstance(every, str) and every.isdigit() else ""
            yield f"{full_name(service)}: {what} is tcp{told}"


def _idle_timeout(service: Object) -> tuple[int | None, str]:
    for name, value in sorted(mapping(service, "metadata", "annotations").items()):
        if name in _IDLE and isinstance(value, str) and _SECONDS.fullmatch(value):
            return int(value) * _IDLE[name], name
        if name.startswith(_NLB_LISTENER) and isinstance(value, str) and (found := _NLB_IDLE.search(value)):
            return int(found[1]), name
    return None, ""


def _keepalive(template: Object) -> int:
    for sysctl in items(template, "spec", "securityContext", "sysctls"):
        value = text(sysctl, "value")
        if text(sysctl, "name") == _KEEPALIVE and value.isascii() and value.isdigit():
            return int(value[:9])
    return _KERNEL_KEEPALIVE
