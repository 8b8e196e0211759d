"""Which host a test is for."""

from collections.abc import Collection

_HOST = "fleet://"


def host_of(test: str, names: Collection[str]) -> str:
    """The host that a test is for, from the id that pytest gives it; empty where it is for none.

    Args:
        test: such as ``test_a.py::test_b[fleet://web-1-other]`` or ``play.yaml::conntrack-max[web-1]``.
        names: of the hosts.
    """
    parameters = test.partition("[")[2].removesuffix("]")
    name = parameters.partition(_HOST)[2] or parameters
    while name and name not in names:
        name = name.rpartition("-")[0]
    return name
