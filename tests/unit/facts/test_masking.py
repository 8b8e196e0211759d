import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.facts.masking import mask_arguments, mask_command_line, mask_ini, mask_json, mask_text, mask_yaml

SECRET = b"K10s3cret"


@pytest.mark.parametrize(
    "yaml",
    [
        b"token: K10s3cret\n",
        b"'token' : K10s3cret",
        b"token: |\n  K10s3cret\n  K10s3cret\n",
        b'token: "x\n\n  K10s3cret"\n',
        b'token: "x\nK10s3cret"\n',
        b"token:\n- K10s3cret\n",
        b"token:\n-\n  K10s3cret\n",
        b"{token: K10s3cret, kube-proxy-arg: [a=b]}\n",
        b'{\n"token": "K10s3cret"\n}\n',
        b"# token: K10s3cret\nkube-proxy-arg: [] # K10s3cret\n",
        b"kube-proxy-arg:\n  # K10s3cret\n  - a=b # K10s3cret\n",
        b"kube-proxy-arg:\n- a=b\n# K10s3cret\n- c=d\n",
        b"  token: K10s3cret\n  kube-proxy-arg: []\n",
        b"\xef\xbb\xbftoken: K10s3cret\r\n",
        b"--- {token: K10s3cret}\n",
        b"? token\n: K10s3cret\n",
        b"%TAG K10s3cret\n---\n",
        b"kube-proxy-arg: []\ntoken: K10s3cret\n",
        b"kubelet-arg: [--bootstrap-token=K10s3cret]\n",
        b"kubelet-arg:\n  - image-credential-provider-secret=K10s3cret\n",
        b"!!str token: K10s3cret\n",
        b"&a token: K10s3cret\n",
        b"\ttoken: K10s3cret\n",
    ],
)
def test_secret_in_kubernetes_configuration_is_masked_line_by_line(yaml: bytes) -> None:
    masked = mask_yaml(yaml)
    assert SECRET not in masked
    assert masked.count(b"\n") == yaml.count(b"\n")


@pytest.mark.parametrize(
    ("json", "masked"),
    [
        (b'{"ip-forward": false, "proxies": {"a": "K10s3cret"}}', b'{"ip-forward": false}'),
        (b'{"icc": "K10s3cret", "iptables": true}', b'{"iptables": true}'),
        (b"{}", b"{}"),
        (b'["K10s3cret"]', b"(masked)"),
        (b"K10s3cret", b"(masked)"),
        (b'{"ip-forward": false', b"(masked)"),
        (b"[" * 100_000, b"(masked)"),
        (b"9" * 10_000, b"(masked)"),
    ],
)
def test_only_the_switches_of_daemon_json_are_kept(json: bytes, masked: bytes) -> None:
    assert mask_json(json) == masked


@pytest.mark.parametrize(
    ("ini", "masked"),
    [
        (b"[Match]\nName=eth*\nMACAddress=K10s3cret\n", b"[Match]\nName=eth*\n# (masked)\n"),
        (b"[Network]\n IPForward = yes \n# K10s3cret\n; K10s3cret\n", b"[Network]\nIPForward=yes\n\n\n"),
        (b"[WireGuard]\nPrivateKey=K10s3cret\nName=K10s3cret\n", b"[WireGuard]\n# (masked)\n# (masked)\n"),
        (b"[Network]\nDescription=a \\\nIPForward=K10s3cret\n", b"[Network]\n# (masked)\n\n"),
        (b"[Network]\nDescription=a \\\n# b\nIPForward=K10s3cret\n", b"[Network]\n# (masked)\n\n\n"),
        (b"[Network]\nDescription=a \\\n[K10s3cret]\n", b"[Network]\n# (masked)\n\n"),
        (b"[K10s3cret\n[a K10s3cret]\nIPForward=K10s3cret\n", b"# (masked)\n# (masked)\n# (masked)\n"),
    ],
)
def test_only_what_tells_of_forwarding_is_kept_of_network_files(ini: bytes, masked: bytes) -> None:
    assert mask_ini(ini) == masked


def test_only_parameters_about_modules_and_sysctls_are_kept_of_the_command_line() -> None:
    line = (
        b"BOOT_IMAGE=/boot/K10s3cret ro rd.luks.key=K10s3cret modules-load=a,b rd.modules_load=c module_blacklist=d "
        b"modprobe.blacklist=e sysctl.net.ipv4.ip_forward=1 nf_conntrack.hashsize=9 sysctl.a=/K10s3cret\n"
    )
    kept = [word for word in mask_command_line(line).split() if word != b"(masked)"]
    assert b"K10s3cret" not in mask_command_line(line)
    assert kept == [
        *(b"modules-load=a,b", b"rd.modules_load=c", b"module_blacklist=d", b"modprobe.blacklist=e"),
        *(b"sysctl.net.ipv4.ip_forward=1", b"nf_conntrack.hashsize=9", b"sysctl.(masked)"),
    ]


@pytest.mark.parametrize(
    ("word", "masked"),
    [
        (b'modules-load="a', b"modules-load=(masked)"),
        (b'"modules_load=K10s3cret"', b"modules_load=(masked)"),
        (b"module-blacklist=K10s3cret", b"module-blacklist=(masked)"),
        (b"nf-conntrack.hashsize=K10s3cret", b"nf-conntrack.(masked)"),
        (b"systemd.machine_id=K10s3cret", b"(masked)"),
    ],
)
def test_a_parameter_that_cannot_be_shown_is_told_from_a_word_about_something_else(word: bytes, masked: bytes) -> None:
    assert mask_command_line(word) == masked + b"\n"


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"[", b"]", b"Network", b"=", b"\\", b"\n", b"{", b'"'])).map(b"".join)
)
def test_masking_takes_any_bytes(content: bytes) -> None:
    mask_json(content)
    mask_command_line(content)
    assert mask_ini(content).count(b"\n") == content.count(b"\n")
    assert mask_yaml(content).count(b"\n") == content.count(b"\n")


def test_allowed_keys_stay_as_they_are() -> None:
    kept = b"""kube-proxy-arg+:
  - "conntrack-max-per-core=0"
kubelet-arg: ['max-pods=200', "x#y"]
protect-kernel-defaults: true
mode: ipvs
ipvs:
  tcpTimeout: 900s
conntrack:
  maxPerCore: 0
"""
    assert mask_yaml(kept) == kept


def test_keys_of_an_indented_root_are_kept_too() -> None:
    assert mask_yaml(b"  mode: ipvs\n  ipvs:\n    scheduler: rr\n") == b"  mode: ipvs\n  ipvs:\n    scheduler: rr\n"


@given(st.text(alphabet="abc:-#\"'{}[]|>&*!? \t\n\r", max_size=60))
def test_value_of_another_key_never_survives(value: str) -> None:
    # Whatever the value looks like, as long as it is the value of that key by YAML's rules (indented).
    yaml = "token: " + value.replace("\n", "\n  ") + "Zq7\nmode: ipvs\n"
    masked = mask_yaml(yaml.encode())
    assert b"Zq7" not in masked
    assert b"mode: ipvs" in masked


@pytest.mark.parametrize(
    ("unit", "masked"),
    [
        (b"Environment=K3S_TOKEN=K10s3cret A=b", b"Environment=K3S_TOKEN=(masked) A=b"),
        (b'Environment="K3S_TOKEN=K10s3cret x" "A=b"', b'Environment="K3S_TOKEN=(masked)" "A=b"'),
        (b"Environment='DB_PASSWORD=K10s3cret' A=b", b"Environment='DB_PASSWORD=(masked)' A=b"),
        (b'Environment=K3S_TOKEN="K10s3cret x" A=b', b"Environment=K3S_TOKEN=(masked) A=b"),
        (b"ExecStart=/k3s agent --token K10s3cret --x", b"ExecStart=/k3s agent --token (masked) --x"),
        (b"ExecStart=/k3s agent -t K10s3cret --x", b"ExecStart=/k3s agent -t (masked) --x"),
        (b"ExecStart=/k3s --datastore-endpoint=K10s3cret", b"ExecStart=/k3s --datastore-endpoint=(masked)"),
        (b"Environment=HTTPS_PROXY=http://u:K10s3cret@p:1", b"Environment=HTTPS_PROXY=http://(masked)@p:1"),
        (b"SetCredential=x:K10s3cret K10s3cret\nUser=a", b"SetCredential=(masked)\nUser=a"),
        (b'#Environment="X_SECRET=K10s3cret"', b'#Environment="X_SECRET=(masked)"'),
        (
            b"ExecStart=/k3s \\\n '--token' \\\n 'K10s3cret' \\\n '--x'",
            b"ExecStart=/k3s \\\n '--token' \\\n (masked) \\\n '--x'",
        ),
        (
            b"ExecStartPre=/sbin/sysctl -w kernel.keys.root_maxkeys=10",
            b"ExecStartPre=/sbin/sysctl -w kernel.keys.root_maxkeys=10",
        ),
        (b"ExecStart=/k3s --etcd-arg=auth-token=K10s3cret", b"ExecStart=/k3s --etcd-arg=auth-token=(masked)"),
    ],
)
def test_secret_in_a_unit_file_is_masked_and_the_rest_stays(unit: bytes, masked: bytes) -> None:
    assert mask_text(unit) == masked


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        ([b"k3s", b"--token", b"K10s3cret", b"-v"], [b"k3s", b"--token", b"(masked)", b"-v"]),
        ([b"k3s", b"--token=K10s3cret and more"], [b"k3s", b"--token=(masked)"]),
        ([b"k3s agent --token K10s3cret"], [b"k3s agent --token (masked)"]),
        ([b"kubelet", b"--conf=a", b"--node-ip=::1"], [b"kubelet", b"--conf=a", b"--node-ip=::1"]),
        ([b"x", b'{"password": "K10s3cret"}'], [b"x", b'{"password": (masked)']),
        ([b"x", b"http://a:K10s3cret@h/"], [b"x", b"http://(masked)@h/"]),
        ([b"x", b"--rotate-keys", b"--token"], [b"x", b"--rotate-keys", b"--token"]),
    ],
)
def test_secret_in_arguments_is_masked_and_the_rest_stays(arguments: list[bytes], masked: list[bytes]) -> None:
    assert mask_arguments(arguments) == masked


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"a" * 200_000,
            b"-token" * 30_000,
            b'"token=' * 30_000,
            b"--token \\\n" * 30_000,
            b"\n" * 200_000 + b"token",
        ),
        *(b'\\"token=' * 30_000, b"token" + b" " * 200_000, b"token='" * 30_000, b"://" * 60_000, b"'#" * 60_000),
    ],
    ids=range(10),
)
def test_hostile_text_is_masked_in_linear_time(text: bytes) -> None:
    # Quadratic work over 200 kB takes minutes; the unit tier has seconds.
    mask_text(text)
    mask_arguments([text])
    mask_yaml(b"kube-proxy-arg: " + text)
