"""How a pod gets a value that it does not inherit from its host."""


def safe_sysctl(name: str, *, since: str = "") -> str:
    """The remedy for a key that any pod may set.

    The list of safe keys and the releases are those of
    https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/.

    Args:
        name: the key in dots.
        since: the first Kubernetes release that counts the key as safe; empty where all supported ones do.
    """
    condition = f" (a safe sysctl since Kubernetes {since})" if since else " (a safe sysctl)"
    return f"set {name} in the pod's securityContext.sysctls{condition}"


def unsafe_sysctl(name: str) -> str:
    """The remedy for a key that the kubelet must allow first."""
    return (
        f"allow {name} with the kubelet's allowedUnsafeSysctls, then set it in the pod's securityContext.sysctls,"
        " or write it from a privileged init container of that pod"
    )
