"""Which file a playbook's name means."""

from importlib.resources import as_file
from pathlib import Path

from fleet.cli.shipped import shipped
from fleet.document import did_you_mean
from fleet.model.errors import UsageError


def find_playbook(name: str) -> Path:
    """The file itself; else the one of that name in ``playbooks/``, where `fleet init` puts them; else the shipped one.

    Raises:
        UsageError: it is none of them.
    """
    path = Path(name)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    own = Path("playbooks", f"{name}.yaml")
    if own.exists():
        return own
    ours = {entry.name.removesuffix(".yaml"): entry for entry in shipped("playbooks").iterdir()}
    if name not in ours:
        known = did_you_mean(name, ours) or f"shipped are: {', '.join(sorted(ours))}"
        raise UsageError(
            f"no playbook '{name}': no such file here or in playbooks/, and none of that name is shipped ({known})"
        )
    with as_file(ours[name]) as file:
        return file
