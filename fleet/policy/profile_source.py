"""Where a profile that a playbook names comes from."""

import re
from importlib.resources import files
from pathlib import Path

from fleet.document import Document, Location, did_you_mean, load_mapping, parse, validate
from fleet.policy.profile import ProfileDocument

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_SHIPPED = files("fleet.policy").joinpath("profiles")


def shipped_profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with fleet."""
    return tuple(sorted(_stem(entry.name) for entry in _SHIPPED.iterdir() if entry.name.endswith(".yaml")))


def shipped_profile(name: str) -> tuple[Document, ProfileDocument]:
    """Load a profile that comes with fleet.

    Raises:
        DocumentError: the file is not a valid profile.
    """
    file = _SHIPPED.joinpath(f"{name}.yaml")
    return _checked(parse(file.read_bytes(), str(file)))


def find_profile(playbook: Document, location: Location, name: str) -> tuple[Document, ProfileDocument]:
    """Load a profile that a playbook names.

    ``NAME`` is ``profiles/NAME.yaml`` beside the playbook, else the one that comes with fleet; a name that ends with
    ``.yaml`` is a path from the playbook's directory.

    Raises:
        DocumentError: there is no such profile (at the name's position in the playbook), or it does not load.
    """
    directory = Path(playbook.path).parent
    if name.endswith(".yaml"):
        if not (directory / name).is_file():
            raise playbook.error(f"there is no profile file {directory / name}", location)
        return _checked(load_mapping(directory / name))
    if _NAME.fullmatch(name):
        beside = directory / "profiles" / f"{name}.yaml"
        if beside.is_file():
            return _checked(load_mapping(beside))
        if name in shipped_profile_names():
            return shipped_profile(name)
    own = [path.stem for path in (directory / "profiles").glob("*.yaml")]
    valid = sorted({*own, *shipped_profile_names()})
    hint = did_you_mean(name, valid) or f"there are: {', '.join(valid)}"
    raise playbook.error(f"unknown profile '{name}'", location, hint=hint)


def _checked(document: Document) -> tuple[Document, ProfileDocument]:
    profile = validate(document, ProfileDocument)
    if profile.profile != _stem(document.path):
        hint = f"write 'profile: {_stem(document.path)}', or rename the file"
        raise document.error(f"profile '{profile.profile}' is not named like its file", ("profile",), hint=hint)
    return document, profile


def _stem(path: str) -> str:
    return Path(path).name.removesuffix(".yaml")
