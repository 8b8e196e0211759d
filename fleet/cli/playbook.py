"""Which file a playbook's name means."""

from importlib.resources import as_file
from pathlib import Path

from fleet.cli.shipped import shipped
from fleet.document import did_you_mean
from fleet.model.errors import UsageError


def find_playbook(name: str) -> Path:
    """The file itself; or, where there is none and the name is that of a shipped playbook, that one.

    Raises:
        UsageError: it is neither.
    """
    path = Path(name)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    ours = {entry.name.removesuffix(".yaml"): entry for entry in shipped("playbooks").iterdir()}
    if name not in ours:
        known = did_you_mean(name, ours) or f"shipped are: {', '.join(sorted(ours))}"
        raise UsageError(f"no playbook '{name}': no such file here, and none of that name is shipped ({known})")
    with as_file(ours[name]) as file:
        return file
