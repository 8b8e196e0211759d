"""The manifests are what Kubernetes takes, and hold the programs byte for byte."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fleet.document.load import load_mapping
from fleet.model.errors import UsageError
from fleet.prove import manifests
from fleet.prove.programs import program_texts

DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(manifests()))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in DOCUMENTS if document["kind"] == kind]


@pytest.mark.parametrize("version", ["1.25", "1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_takes_every_field_of_it(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_an_unknown_field_would_be_refused() -> None:
    wrong = DOCUMENTS[0] | {"specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.29", strict=True)


def test_there_is_what_was_asked_for_and_no_right_in_the_cluster() -> None:
    assert [document["kind"] for document in DOCUMENTS] == [
        "Namespace",
        "ConfigMap",
        "Service",
        "Deployment",
        "Deployment",
    ]
    for deployment in of_kind("Deployment"):
        assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_names_ports_and_labels_fit_together() -> None:
    (namespace,), (programs,), (service,) = of_kind("Namespace"), of_kind("ConfigMap"), of_kind("Service")
    server, client = of_kind("Deployment")
    assert {document["metadata"].get("namespace") for document in DOCUMENTS[1:]} == {namespace["metadata"]["name"]}
    for deployment in (server, client):
        spec = deployment["spec"]["template"]["spec"]
        (volume,) = spec["volumes"]
        assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
        assert volume["configMap"]["name"] == programs["metadata"]["name"]
        assert {item["key"] for item in volume["configMap"]["items"]} == set(programs["data"])
        assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == [volume["name"]]
    assert service["spec"]["selector"] == server["spec"]["template"]["metadata"]["labels"]
    (port,) = service["spec"]["ports"]
    container = server["spec"]["template"]["spec"]["containers"][0]
    assert str(port["targetPort"]) == container["command"][-1] == str(container["ports"][0]["containerPort"])
    dialled = client["spec"]["template"]["spec"]["containers"][0]["command"][-2:]
    assert dialled == [service["metadata"]["name"], str(port["port"])]


def test_the_programs_are_the_files_that_the_namespaces_run() -> None:
    (programs,) = of_kind("ConfigMap")
    files = program_texts()
    assert programs["data"] == {name: files[name] for name in programs["data"]}


def test_pods_of_the_client_have_no_right_at_all_and_the_server_two() -> None:
    server, client = (each["spec"]["template"]["spec"]["containers"][0] for each in of_kind("Deployment"))
    assert client["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert client["securityContext"]["runAsNonRoot"] is True
    assert server["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}
    assert "privileged" not in server["securityContext"]


def test_both_deployments_have_the_image_that_is_asked_for() -> None:
    image = "registry.example.com:5000/mirror/python@sha256:" + "0" * 64
    documents = yaml.safe_load_all(manifests(image))
    used = [d["spec"]["template"]["spec"]["containers"][0]["image"] for d in documents if d["kind"] == "Deployment"]
    assert used == [image, image]


@pytest.mark.parametrize("image", ["", "a b", "x\n- evil: true", "-x", "a\x1b[31m"])
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(UsageError, match="is no image"):
        manifests(image)


def test_strict_yaml_reads_it_too(tmp_path: Path) -> None:
    for number, text in enumerate(manifests().split("\n---\n")[1:]):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load_mapping(path).data["kind"] == DOCUMENTS[number]["kind"]
