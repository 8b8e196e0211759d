"""Which hosts are changed together."""

from collections.abc import Sequence

_WHOLE = 100


def batches(hosts: Sequence[str], serial: Sequence[int | str]) -> tuple[tuple[str, ...], ...]:
    """Cut hosts into batches as Ansible does.

    Per cent are of all the hosts given, rounded down to whole hosts, at least one; the last size is repeated.
    https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html#setting-the-batch-size-with-serial

    Args:
        hosts: in the order in which they are to be changed.
        serial: sizes, as in `fleet.model.rollout.Rollout`.
    """
    sizes = [_count(size, len(hosts)) for size in serial] or [max(len(hosts), 1)]
    cut: list[tuple[str, ...]] = []
    begin = 0
    while begin < len(hosts):
        size = sizes[min(len(cut), len(sizes) - 1)]
        cut.append(tuple(hosts[begin : begin + size]))
        begin += size
    return tuple(cut)


def _count(size: int | str, hosts: int) -> int:
    return size if isinstance(size, int) else max(int(float(size.removesuffix("%")) * hosts / _WHOLE), 1)
