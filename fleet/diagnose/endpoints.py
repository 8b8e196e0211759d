"""What EndpointSlices, events and the states of pods tell of pods that come and go."""

from collections.abc import Iterable, Sequence
from typing import Final

from fleet.diagnose.objects import Object, first, full_name, items, mapping, number, text
from fleet.diagnose.rule import Cause, several
from fleet.model.diagnosis import CauseVerdict

RESTARTS: Final = Cause(
    name="container-restarts",
    title="containers end by themselves, and their connections with them",
    place="application",
    remedy="Not a node problem. Look why it ended: 'kubectl logs --previous', its memory limit where it says OOMKilled,"
    " its liveness probe where events say Unhealthy.",
    sources=("https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states",),
)
NO_ENDPOINTS: Final = Cause(
    name="no-endpoints",
    title="a Service has no ready endpoint: connections to it are refused",
    place="application",
    remedy="Not a node problem. Look at the readiness of its pods, and whether its selector fits their labels.",
    sources=("https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions",),
)

_SERVICE_OF_SLICE = "kubernetes.io/service-name"
_TROUBLE = frozenset({"BackOff", "Killing", "OOMKilling", "Unhealthy"})


def ended_pods(events: Iterable[Object], slices: Iterable[Object]) -> frozenset[str]:
    """Pods that an event tells to have been killed, or that are endpoints while they end."""
    killed = {_involved(event) for event in events if event.get("reason") == "Killing"}
    leaving = {
        f"{text(each, 'metadata', 'namespace')}/{text(endpoint, 'targetRef', 'name')}"
        for each in slices
        for endpoint in items(each, "endpoints")
        if mapping(endpoint, "conditions").get("terminating") is True
    }
    return frozenset(killed | leaving)


def judge_endpoints(services: Iterable[Object], slices: Sequence[Object]) -> CauseVerdict:
    """Look for Services to which nothing is ready to answer.

    Args:
        services: those that are meant to have endpoints.
        slices: all that there are.
    """
    if not slices:
        return NO_ENDPOINTS.is_("cannot tell", "no EndpointSlice was given: add endpointslices to the kubectl command")
    ready: dict[str, int] = {}
    for each in slices:
        service = text(each, "metadata", "labels", _SERVICE_OF_SLICE)
        name = f"{text(each, 'metadata', 'namespace') or 'default'}/{service}"
        # A condition that is not given counts as true.
        count = sum(mapping(end, "conditions").get("ready") is not False for end in items(each, "endpoints"))
        ready[name] = ready.get(name, 0) + count
    chosen = sorted(full_name(each) for each in services if mapping(each, "spec", "selector"))
    empty = [name for name in chosen if not ready.get(name)]
    if not empty:
        return NO_ENDPOINTS.is_("excluded", f"each of {several(len(chosen), 'Service')} has a ready endpoint")
    return NO_ENDPOINTS.is_("likely", *first([f"{name}: none of its endpoints is ready" for name in empty]))


def judge_restarts(pods: Iterable[Object], events: Iterable[Object]) -> CauseVerdict:
    """Look for containers that ended with a failure; events, which last an hour, tell whether that was lately."""
    troubled = {_involved(event) for event in events if text(event, "reason") in _TROUBLE}
    recent: list[str] = []
    past: list[str] = []
    for pod in pods:
        for status in items(pod, "status", "containerStatuses"):
            ended = mapping(status, "lastState", "terminated")
            code = number(ended, "exitCode")
            if code:
                line = (
                    f"{full_name(pod)}: {text(status, 'name') or '?'} ended at {text(ended, 'finishedAt') or '?'} with"
                    f" {text(ended, 'reason') or 'Error'} ({code}), and was restarted"
                    f" {several(number(status, 'restartCount') or 0, 'time')}"
                )
                (recent if full_name(pod) in troubled else past).append(line)
    if recent:
        return RESTARTS.is_("likely", *first(recent))
    if past:
        hint = "no event tells of trouble with them in the last hour: compare the times with the log's"
        return RESTARTS.is_("cannot tell", *first(past), hint)
    return RESTARTS.is_("excluded", "no container of the listed pods ended with a failure before")


def _involved(event: Object) -> str:
    return f"{text(event, 'involvedObject', 'namespace')}/{text(event, 'involvedObject', 'name')}"
