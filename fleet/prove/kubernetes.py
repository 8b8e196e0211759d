"""Manifests that prove the same inside a cluster, with the same programs: a server, a client, and a Service between."""

import re
from importlib.resources import files
from typing import Any, Final

import yaml

from fleet.model.errors import UsageError
from fleet.model.text import printable
from fleet.prove.programs import program_texts

IMAGE: Final = "docker.io/library/python:3.13-alpine"
"""Any image with a python3 of 3.9 or newer will do: nothing else of it is used."""

_REFERENCE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,511}")
_HEAD = """\
# Does a segment above the window reset connections in this cluster? Made by fleet prove --kubernetes.
#   kubectl apply -f FILE
#   kubectl -n fleet-prove scale deployment client --replicas=3    # on as many nodes
#   kubectl -n fleet-prove logs -l app.kubernetes.io/name=fleet-prove-client --prefix -f
#   kubectl delete -f FILE
"""


def manifests(image: str = IMAGE) -> str:
    """The text for ``kubectl apply -f -``.

    Args:
        image: of both Deployments.

    Raises:
        UsageError: that is no image.
    """
    if not _REFERENCE.fullmatch(image):
        raise UsageError(f"'{printable(image)}' is no image, such as {IMAGE}")
    texts = program_texts()
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(_template()))
    for document in documents:
        if document["kind"] == "ConfigMap":
            document["data"] = {name: _Text(texts[name]) for name in document["data"]}
        elif document["kind"] == "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return _HEAD + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=120)


def _template() -> str:
    return files("fleet.prove").joinpath("kubernetes.yaml").read_text(encoding="ascii")


class _Text(str):
    """A program, which is shown line by line."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Without anchors, which few people read."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


_Dumper.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))
