"""Where pods run with the kernel's defaults while their node looks hardened.

A new network namespace starts at the kernel's defaults, whatever its node has: what is set on the node reaches the
node's own processes and pods with hostNetwork, and no other pod.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.kernel.catalogue import KEYS
from fleet.kernel.key import Key
from fleet.kernel.values import equal
from fleet.kernel.version import KernelVersion, parse_release
from fleet.model.facts import Unavailable
from fleet.model.finding import Finding, FindingStatus, Impact
from fleet.model.pods import PodRemedy, PodSample, PodSurvey, PodSysctl

POD_KEYS: tuple[str, ...] = tuple(key.name for key in KEYS.values() if key.scope == "namespace")
"""The keys of which each pod has its own value, in dots."""

CONTROL = "pod-values"

_TITLE = "Pods have the values that their node has"
_WHY = (
    "A pod has its own network namespace, which starts at the kernel's defaults. What is set on the node does not reach"
    " it: an application that needs the value gets it by the pod's securityContext.sysctls."
)
# A connection that idles longer than something on its way remembers it is reset; keepalive is what prevents that.
_ENDS_IN_RESETS = "net.ipv4.tcp_keepalive_"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDifference:
    """One key that pods have not got from their node.

    Attributes:
        host: the node's value.
        value: what most of ``pods`` have.
        is_default: whether ``value`` is known to be the kernel's default.
        pods: those with ``value``.
        others: how many have a third value, which somebody chose for them.
        sampled: how many were looked at.
    """

    key: Key
    host: str
    value: str
    is_default: bool
    pods: tuple[PodSample, ...]
    others: int
    sampled: int


def judged_samples(survey: PodSurvey) -> tuple[PodSample, ...]:
    """The pods; where none of the namespaces is known to be one of a pod, all of them."""
    return tuple(sample for sample in survey.samples if sample.pod) or survey.samples


def pod_differences(survey: PodSurvey, *, kernel: str, keys: Mapping[str, Key] = KEYS) -> tuple[PodDifference, ...]:
    """The keys that the node has set and pods run without, in the catalogue's order.

    Args:
        survey: of one node.
        kernel: its release, as ``uname -r`` prints it.
        keys: what to look at.
    """
    samples = judged_samples(survey)
    differences = (
        _difference(key, survey.host[name], samples, _default(key, kernel))
        for name, key in keys.items()
        if key.scope == "namespace" and name in survey.host
    )
    return tuple(difference for difference in differences if difference is not None)


def pod_findings(
    survey: PodSurvey | Unavailable, *, kernel: str, keys: Mapping[str, Key] = KEYS
) -> tuple[Finding, ...]:
    """The verdict on one node: a warning for each key that pods run without, else one finding that says so.

    Args:
        survey: of the node.
        kernel: its release, as ``uname -r`` prints it.
        keys: what to look at.
    """
    if isinstance(survey, Unavailable):
        return (_finding("skip", f"cannot look into the pods here: {survey}"),)
    samples = judged_samples(survey)
    if not samples:
        return (_finding("skip", "no process of the node has a network namespace of its own"),)
    differences = pod_differences(survey, kernel=kernel, keys=keys)
    if not differences:
        return (_finding("pass", f"{_sampled(survey, samples)} have what the node has set"),)
    return tuple(_warning(difference, survey, samples) for difference in differences)


def pod_remedy(survey: PodSurvey | Unavailable, *, kernel: str) -> PodRemedy | None:
    """What gives the pods of one node the values that they run without; None where nothing is known to lack.

    Args:
        survey: of the node.
        kernel: its release, as ``uname -r`` prints it.
    """
    differences = () if isinstance(survey, Unavailable) else pod_differences(survey, kernel=kernel)
    sysctls = tuple(
        PodSysctl(name=difference.key.name, value=difference.host, safe_since=difference.key.pod_safe_since)
        for difference in differences
    )
    return PodRemedy(sysctls=sysctls) if sysctls else None


def _difference(key: Key, host: str, samples: Sequence[PodSample], default: str | None) -> PodDifference | None:
    differing = [
        (sample, sample.values[key.name])
        for sample in samples
        if key.name in sample.values and not equal(key.name, host, sample.values[key.name])
    ]
    if default is None:
        # The default depends on the machine: the value that most have is the likeliest to be nobody's choice.
        common = Counter(value for _, value in differing).most_common(1)
        value = common[0][0] if common else ""
    else:
        value = default
    without = tuple(sample for sample, seen in differing if equal(key.name, seen, value))
    if not without:
        return None
    return PodDifference(
        key=key,
        host=host,
        value=value,
        is_default=default is not None,
        pods=without,
        others=len(differing) - len(without),
        sampled=len(samples),
    )


def _default(key: Key, kernel: str) -> str | None:
    try:
        version: KernelVersion = parse_release(kernel)
    except ValueError:
        return None  # an own kernel may be called anything
    return key.default_for(version)


def _warning(difference: PodDifference, survey: PodSurvey, samples: Sequence[PodSample]) -> Finding:
    key = difference.key
    kind = " (the kernel's default)" if difference.is_default else ""
    others = f"; {difference.others} more {_have(difference.others)} a third value" if difference.others else ""
    impact: Impact = "medium" if key.name.startswith(_ENDS_IN_RESETS) else "low"
    return Finding(
        control=f"{CONTROL}-{key.name.removeprefix('net.').translate(str.maketrans('._/', '---'))}",
        title=f"Pods have their node's {key.name}",
        status="warn",
        impact=impact,
        reason=(
            f"{len(difference.pods)} of {_sampled(survey, samples)} run with {key.name}"
            f" {_shown(difference.value)}{kind} while the host has {_shown(difference.host)}{others}"
        ),
        why=_WHY,
        settings=(key.name,),
    )


def _finding(status: FindingStatus, reason: str) -> Finding:
    return Finding(control=CONTROL, title=_TITLE, status=status, impact="low", reason=reason, why=_WHY)


def _sampled(survey: PodSurvey, samples: Sequence[PodSample]) -> str:
    kind = "pod" if samples[0].pod else "network namespace"
    plural = "" if len(samples) == 1 else "s"
    of = f" (of {survey.namespaces} namespaces)" if survey.namespaces > len(survey.samples) else ""
    return f"{len(samples)} sampled {kind}{plural}{of}"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _shown(value: str) -> str:
    return value or "empty"
