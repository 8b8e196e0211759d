"""Which files and images the real probe follows from what a process, a unit or a profile says."""

import pytest
from support.probe import NONCE, SHELLS, run_in_node

from fleet.facts import ProbeRequest, parse_answer, probe_arguments, probe_script
from fleet.model.facts import NodeFacts, NodeProcess

pytestmark = [pytest.mark.root, pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)]

ARGUMENTS = " ".join(probe_arguments(NONCE, ProbeRequest(keys=("kernel.panic",))))

CRI_O = "/run/containers/storage/overlay-containers/$id/userdata"


def facts_after(change: str, shell: tuple[str, ...]) -> NodeFacts:
    """The facts of the node of tests/data/facts/node.sh after a change to it."""
    command = f"cat >/mnt/probe\n{change}\nexec {' '.join(shell)} -s -- {ARGUMENTS} </mnt/probe"
    return parse_answer(run_in_node(["sh", "-c", command], stdin=probe_script()), nonce=NONCE, host="node-1")


def named(facts: NodeFacts, name: str) -> NodeProcess:
    assert isinstance(facts.processes, tuple)
    (process,) = [process for process in facts.processes if process.name == name]
    return process


@pytest.mark.parametrize(
    ("unit", "config"),
    [
        (
            r"ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'\''--config'\'' \\\n\t'\''/etc/own.yaml'\'' \\\n",
            "/etc/own.yaml",
        ),
        ("ExecStart=/usr/local/bin/k3s server --config=/etc/own.yaml\\n", "/etc/own.yaml"),
        (
            "Environment=K3S_CONFIG_FILE=/etc/k3s.yaml\\nExecStart=/usr/local/bin/k3s server --config /etc/own.yaml\\n",
            "/etc/own.yaml",
        ),
        ("ExecStart=/usr/local/bin/k3s server\\n", "/etc/k3s.yaml"),
    ],
)
def test_the_file_that_k3s_reads_is_found_in_its_unit_and_before_that_in_its_environment(
    shell: tuple[str, ...], unit: str, config: str
) -> None:
    facts = facts_after(
        f"printf '[Service]\\n{unit}' >/etc/systemd/system/k3s.service; mkdir -p /etc/own.yaml.d; "
        "printf 'rootless: true\\n' >/etc/own.yaml; printf 'token: planted0secret\\n' >/etc/own.yaml.d/a.yml",
        shell,
    )
    assert named(facts, "k3s-server").config == config
    assert facts.files[config].content is not None
    if config == "/etc/own.yaml":
        assert facts.files["/etc/own.yaml.d/a.yml"].content == b"token: (masked)\n"
    assert "planted0secret" not in repr(facts)


@pytest.mark.parametrize(
    "path", ["/etc/*.yaml", "/etc/$(touch${IFS}/etc/run)", "relative.yaml", "/etc/`touch${IFS}/etc/run`"]
)
def test_a_path_that_is_not_plain_is_told_and_not_followed(shell: tuple[str, ...], path: str) -> None:
    unit = f"[Service]\nExecStart=/usr/local/bin/k3s server --config={path}\n"
    facts = facts_after(f"cat >/etc/systemd/system/k3s.service <<'UNIT'\n{unit}UNIT\nln -s / /etc/run.conf", shell)
    assert named(facts, "k3s-server").config == path
    assert "/etc/k3s.yaml" not in facts.files
    assert not [file for file in facts.files if file.endswith((path, "/etc/run"))]


@pytest.mark.parametrize(
    ("change", "image"),
    [
        (":", "registry.example/kube-proxy:v1.28.2"),
        (
            f"mkdir -p {CRI_O}; sed s/cri.image-name/cri-o.ImageName/ $bundle >{CRI_O}/config.json; rm $bundle",
            "registry.example/kube-proxy:v1.28.2",
        ),
        ("mkdir /run/k3s; mv /run/containerd /run/k3s/containerd", "registry.example/kube-proxy:v1.28.2"),
        # Whatever else the file may quote.
        ("tr -d '\\n' <$bundle >/mnt/b; cat /mnt/b /mnt/b >$bundle", "registry.example/kube-proxy:v1.28.2"),
        ("rm $bundle", ""),
        ("head -c 1000000 /dev/zero >$bundle", ""),
        ('printf \'{"io.kubernetes.cri.image-name":"a\\033[31m"}\' >$bundle', ""),
    ],
)
def test_the_image_of_kube_proxy_is_the_one_that_its_bundle_names(
    shell: tuple[str, ...], change: str, image: str
) -> None:
    bundle = "id=$(printf '%064d' 7); bundle=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$id/config.json; "
    facts = facts_after(bundle + change, shell)
    assert named(facts, "kube-proxy").image == image
    assert "planted0secret" not in repr(facts)


@pytest.mark.parametrize(
    ("change", "read"),
    [
        (
            "printf 'mine unused\\n' >/etc/tuned/active_profile",
            {"/usr/lib/tuned/unused/tuned.conf", "/etc/tuned/mine/tuned.conf"},
        ),
        ("printf '../../etc/mine\\n' >/etc/tuned/active_profile", {"/etc/tuned/tuned-main.conf"}),
        ("rm /etc/tuned/active_profile", set()),
        (": >/etc/tuned/active_profile", set()),
    ],
)
def test_only_the_profiles_that_count_are_read(shell: tuple[str, ...], change: str, read: set[str]) -> None:
    found = {path for path in facts_after(change, shell).files if "/tuned/" in path}
    assert found >= read
    assert bool(found) == bool(read)
    assert len(found) == 1 or read != {"/etc/tuned/tuned-main.conf"}


def test_a_long_chain_of_profiles_ends(shell: tuple[str, ...]) -> None:
    chain = (
        "n=0; while [ $n -lt 60 ]; do mkdir /etc/tuned/p$n; n=$((n + 1)); "
        "printf '[main]\\ninclude=p%s\\n' $n >/etc/tuned/p$((n - 1))/tuned.conf; done; "
        "printf p0 >/etc/tuned/active_profile"
    )
    assert len([path for path in facts_after(chain, shell).files if path.startswith("/etc/tuned/p")]) == 20


def test_the_command_line_is_read_where_its_file_looks_empty(shell: tuple[str, ...]) -> None:
    # As older kernels show it: /proc/version has no size.
    facts = facts_after("mount --bind /proc/version /proc/cmdline; [ ! -s /proc/cmdline ] || exit 1", shell)
    assert (facts.files["/proc/cmdline"].content or b"").startswith(b"(masked) ")
