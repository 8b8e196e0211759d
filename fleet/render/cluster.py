"""What belongs to the cluster's components: a configuration file of k3s and RKE2, and a patch for kube-proxy."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fleet.kernel.k3s import Given, k3s_given
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFile, NodeProcess
from fleet.model.text import printable
from fleet.render.files import explained, header, rendered
from fleet.render.rendered import ProxyArgument, ProxyField, RenderedFile
from fleet.render.templates import Templates
from fleet.render.values import RenderError, flag_name, flag_value, node_path, whole_number

_KEY = "kube-proxy-arg"
# Files are read by name in byte order: zz- comes after what people use, ~ after every letter.
SNIPPET_NAMES = ("zz-fleet.yaml", "~~fleet.yaml")
_MOST = 2**31 - 1
_NUMBERS = frozenset({"conntrack.maxPerCore", "conntrack.min"})
_SWITCHES = frozenset({"conntrack.tcpBeLiberal", "ipvs.strictARP"})
_TIMEOUTS = frozenset(
    {
        "conntrack.tcpEstablishedTimeout",
        "conntrack.tcpCloseWaitTimeout",
        "conntrack.udpTimeout",
        "conntrack.udpStreamTimeout",
        "ipvs.tcpTimeout",
        "ipvs.tcpFinTimeout",
        "ipvs.udpTimeout",
    }
)
"""https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/"""


def k3s_config_snippet(
    templates: Templates,
    *,
    process: NodeProcess,
    files: Mapping[str, NodeFile],
    arguments: Sequence[ProxyArgument],
    playbook: str,
) -> RenderedFile:
    """A file for config.yaml.d that adds arguments for kube-proxy and leaves the operator's in place.

    Its name is chosen so that it counts: merged as k3s merges them, all that the operator gives is still there, and of
    each of these arguments this value counts.

    Args:
        templates: which to use.
        process: the k3s or RKE2 that runs.
        files: the node's files by path.
        arguments: each name once.
        playbook: its name.

    Raises:
        RenderError: a value does not fit, the node's configuration cannot be read, or no file in config.yaml.d can have
            this effect.
        DocumentError: a template fails.
    """
    lines = tuple(
        replace(line, name=flag_name("name", line.name), value=flag_value(f"value of {line.name}", line.value))
        for line in explained(arguments)
    )
    _refuse_repeated([line.name for line in lines])
    product = "k3s" if process.name.startswith("k3s") else "rke2"
    directory = f"{process.config or f'/etc/rancher/{product}/config.yaml'}.d"
    paths = [node_path("path", f"{directory}/{name}", suffix=".yaml") for name in SNIPPET_NAMES]
    before = _operators(_given(process, files), paths)
    wanted = {**_flags(before), **{line.name: line.value for line in lines}}
    # One that is there already is written again, or its arguments would stay beside the new ones.
    for path in sorted(paths, key=lambda path: path not in files):
        file = rendered(templates, "k3s-config.yaml", path, lines, playbook, arguments=lines)
        after = {**files, path: NodeFile(path=path, kind="file", content=file.content)}
        given = _given(process, after)
        if _operators(given, paths) == before and _flags(given) == wanted:
            return file
    raise RenderError(_without_effect(given, paths, directory))


def kube_proxy_patch(templates: Templates, *, fields: Sequence[ProxyField], playbook: str) -> str:
    """Text for the operator: what to change in the kube-proxy ConfigMap of the cluster, and how.

    Raises:
        RenderError: a value does not fit, or a field is none of KubeProxyConfiguration's that act on the kernel.
        DocumentError: a template fails.
    """
    lines = explained(fields)
    _refuse_repeated([line.name for line in lines])
    sections: dict[str, dict[str, str]] = {}
    for line in lines:
        section, _, name = line.name.partition(".")
        sections.setdefault(section, {})[name] = _field_value(line)
    content = templates.render("kube-proxy.yaml", {**header(lines, playbook), "sections": sections})
    return content.decode()


def _field_value(field: ProxyField) -> str:
    if field.name in _SWITCHES:
        if not isinstance(field.value, bool):
            raise RenderError(f"value of {field.name}: {field.value} is neither true nor false")
        return "true" if field.value else "false"
    if field.name not in _NUMBERS | _TIMEOUTS:
        known = ", ".join(sorted(_NUMBERS | _SWITCHES | _TIMEOUTS))
        raise RenderError(f"name: {printable(repr(field.name))} is none of {known}")
    number = whole_number(f"value of {field.name}", field.value, at_least=0, at_most=_MOST)
    return f"{number}s" if field.name in _TIMEOUTS else str(number)


def _refuse_repeated(names: Sequence[str]) -> None:
    if repeated := next((name for name in names if names.count(name) > 1), ""):
        raise RenderError(f"name: {printable(repr(repeated))} comes twice")


def _given(process: NodeProcess, files: Mapping[str, NodeFile]) -> tuple[Given, ...]:
    try:
        return k3s_given(process, files, _KEY)
    except DocumentError as error:
        # The host's fault, unlike a template that does not load.
        raise RenderError(f"the configuration of {process.name}: {printable(str(error), 300)}") from None


def _operators(given: Sequence[Given], own: Sequence[str]) -> tuple[Given, ...]:
    return tuple(each for each in given if each.origin.rpartition(":")[0] not in own)


def _flags(given: Sequence[Given]) -> Mapping[str, str]:
    """What counts: of equal names the last."""
    named = (each.text.removeprefix("--").partition("=") for each in given)
    return {name: value for name, _, value in named}


def _without_effect(given: Sequence[Given], paths: Sequence[str], directory: str) -> str:
    last = _operators(given, paths)[-1:]
    where = printable(last[0].origin if last else directory, 200)
    return (
        f"a file in {printable(directory, 160)} cannot add to {_KEY}: {where} replaces or repeats what it would say;"
        f" add the arguments there, or write {_KEY}+ in that file"
    )
