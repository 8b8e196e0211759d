import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.model.connection import Endpoint, TimeLimits
from fleet.model.errors import DocumentError, UsageError
from fleet.model.secret import Secret
from fleet.transport import SshTransport
from fleet.transport.algorithms import restricted
from fleet.transport.target import Target
from fleet.transport.throttle import Throttle

Resolve = Callable[..., Target]


@pytest.fixture
def resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Writes ~/.ssh/config and resolves one host with it."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")

    def run(config: str, address: str = "web", **changes: object) -> Target:
        (tmp_path / ".ssh" / "config").write_text(config)
        said: dict[str, object] = {"name": "web1", "address": address} | changes
        with SshTransport() as transport:
            return transport.resolve(Endpoint(**said))  # type: ignore[arg-type] # the fields of Endpoint by name

    return run


def test_defaults_without_a_config(resolve: Resolve, tmp_path: Path) -> None:
    target = resolve("", user="root")
    assert (target.hostname, target.port, target.known_name) == ("web", 22, "web")
    assert target.known_hosts[0] == f"{tmp_path}/.ssh/known_hosts"
    assert "/etc/ssh/ssh_known_hosts" in target.known_hosts
    assert [Path(path).name for path in target.default_identities] == ["id_ed25519", "id_ecdsa", "id_rsa"]
    assert (target.agent, target.accept_new, target.via, target.proxy_command) == ("/run/agent", False, None, None)


def test_a_user_id_without_a_name_is_told_what_to_do(resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(UsageError, match=r"has no name on this machine, which ssh needs: set \$LOGNAME"):
        resolve("", user="root")


def test_config_fills_what_the_endpoint_leaves_open(resolve: Resolve, tmp_path: Path) -> None:
    config = """
    Host web
      HostName 10.0.0.5
      Port 2222
      User deploy
      IdentityFile ~/.ssh/%h_%r_key
      UserKnownHostsFile ~/.ssh/known_%p /srv/known
      IdentitiesOnly yes
      ConnectTimeout 3
    """
    target = resolve(config)
    assert (target.hostname, target.port, target.user) == ("10.0.0.5", 2222, "deploy")
    assert target.identity_files == (f"{tmp_path}/.ssh/10.0.0.5_deploy_key",)
    assert target.known_hosts[:2] == (f"{tmp_path}/.ssh/known_2222", "/srv/known")
    assert target.known_name == "[10.0.0.5]:2222"
    assert (target.identities_only, target.default_identities, target.limits.connect) == (True, (), 3)


def test_endpoint_wins_over_config(resolve: Resolve) -> None:
    config = (
        "Host *\n Port 2222\n User deploy\n IdentityFile /b\n UserKnownHostsFile /kh\n ProxyJump j\n ConnectTimeout 3"
    )
    target = resolve(
        config,
        port=22,
        user="root",
        identity_files=("/a",),
        known_hosts=("/mine",),
        proxy_jump=(),
        limits=TimeLimits(connect=7),
    )
    assert (target.port, target.user, target.identity_files, target.via) == (22, "root", ("/a", "/b"), None)
    assert (target.known_hosts[0], "/kh" in target.known_hosts, target.limits.connect) == ("/mine", False, 7)


@pytest.mark.parametrize(
    ("value", "accepts", "warned"),
    [
        ("yes", False, False),
        ("ask", False, False),
        ("accept-new", True, False),
        ("no", True, True),
        ("off", True, True),
    ],
)
def test_strict_host_key_checking(
    resolve: Resolve, caplog: pytest.LogCaptureFixture, value: str, *, accepts: bool, warned: bool
) -> None:
    caplog.set_level(logging.WARNING)
    assert resolve(f"StrictHostKeyChecking {value}").accept_new is accepts
    assert ("changed host key is still refused" in caplog.text) is warned
    assert resolve(f"StrictHostKeyChecking {value}", accept_new=False).accept_new is False


def test_host_key_alias_names_the_host_in_known_hosts(resolve: Resolve) -> None:
    assert resolve("Host web\n HostKeyAlias Alias\n Port 2222").known_name == "alias"


def test_identity_agent_is_honoured(resolve: Resolve, tmp_path: Path) -> None:
    assert resolve("IdentityAgent none").agent is None
    assert resolve("IdentityAgent ~/agent.sock").agent == f"{tmp_path}/agent.sock"
    assert resolve("IdentityAgent SSH_AUTH_SOCK").agent == "/run/agent"
    assert resolve("", use_agent=False).agent is None


def test_jump_hosts_of_the_endpoint_form_a_chain(resolve: Resolve) -> None:
    target = resolve("Host first\n User one\n", proxy_jump=("first:2201", "two@[::2]:2202"))
    assert target.via is not None
    assert (target.via.user, target.via.hostname, target.via.port) == ("two", "::2", 2202)
    assert target.via.via is not None
    assert (target.via.via.user, target.via.via.hostname, target.via.via.port) == ("one", "first", 2201)
    assert target.via.via.via is None


def test_password_is_for_the_host_and_not_for_its_jump_hosts(resolve: Resolve) -> None:
    target = resolve("", proxy_jump=("jump",), password=Secret("word"))
    assert target.via is not None
    assert (target.password, target.via.password) == (Secret("word"), None)
    assert "word'" not in repr(target)


def test_explicit_chain_replaces_the_jump_hosts_of_all_but_its_first_hop(resolve: Resolve) -> None:
    target = resolve("Host web\n ProxyJump a,b\nHost b\n ProxyJump wrong\nHost a\n ProxyJump z\n")
    chain = []
    hop = target.via
    while hop is not None:
        chain.append(hop.hostname)
        hop = hop.via
    assert chain == ["b", "a", "z"]


@pytest.mark.parametrize("hop", ["", "a b@c:x", "user@:22", "host:port"])
def test_malformed_jump_host_is_refused(resolve: Resolve, hop: str) -> None:
    with pytest.raises(UsageError, match="is not of the form user@host:port"):
        resolve("", proxy_jump=(hop,))


@pytest.mark.parametrize(
    ("config", "jumps"), [("Port 99999", None), ("Port 0", None), ("", ("ops@bastion:99999",)), ("", ("bastion:0",))]
)
def test_a_port_that_cannot_be_is_refused(resolve: Resolve, config: str, jumps: tuple[str, ...] | None) -> None:
    with pytest.raises(UsageError, match=r"web1: .* has port (99999|0); ports are 1 to 65535"):
        resolve(config, proxy_jump=jumps)


def test_proxy_command_gets_the_port_and_user_of_the_endpoint(resolve: Resolve) -> None:
    target = resolve("ProxyCommand nc -X 5 %h %p # %r %% %n", port=2222, user="ops")
    assert target.proxy_command == "nc -X 5 web 2222 # ops % web"


@pytest.mark.parametrize("address", ["a;b", "$(id)", "-oProxyCommand=x", "a b", "a'b", "a\nb"])
def test_proxy_command_gets_no_shell_characters(resolve: Resolve, address: str) -> None:
    with pytest.raises(UsageError, match="characters that a shell would act on"):
        resolve("ProxyCommand nc %h %p", address=address)


def test_include_at_the_top_holds_for_all_and_inside_a_block_for_the_block(resolve: Resolve, tmp_path: Path) -> None:
    (tmp_path / ".ssh" / "conf.d").mkdir()
    (tmp_path / ".ssh" / "conf.d" / "1.conf").write_text("Host web\n Port 2001\nHost other\n Port 2002\n")
    (tmp_path / ".ssh" / "user.conf").write_text("User included\n")
    config = "Include conf.d/*.conf missing.conf\nUser everyone\nHost db\n Include user.conf\n Port 3\n"
    assert (resolve(config).port, resolve(config).user) == (2001, "everyone")
    assert resolve("Host db\n Include user.conf\n Port 3\n", address="db").user == "included"
    assert resolve("Host db\n Include user.conf\n Port 3\n", user="x").port == 22


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("Match exec true\n User x\n", r"config:1: Match exec is not supported"),
        ("User x\nMatch tagged y\n", r"config:2: Match tagged is not supported"),
        ("Host db\n Include blocks.conf\n", r"blocks.conf:1: .* blocks of its own"),
        ("Include self.conf\n", r"self.conf:1: files include each other too deeply"),
        ("KnownHostsCommand /bin/x\n", r"option knownhostscommand is not supported"),
        ("RevokedHostKeys /etc/revoked\n", r"option revokedhostkeys is not supported"),
        ("IdentityFile ~/%k\n", r"identityfile: %k is not supported"),
        ("IdentityFile ${NOT_SET_ANYWHERE}/x\n", r"identityfile: \$\{NOT_SET_ANYWHERE\} is not set"),
        ("ProxyCommand x %z\n", r"proxycommand: %z is not supported"),
        ("Port ssh\n", r"port: 'ssh' is not a number"),
        ("StrictHostKeyChecking maybe\n", r"stricthostkeychecking: 'maybe' is not known"),
        ("NoValueHere\n", r"Unparsable line"),
        ('Include "unclosed\n', r"config:1: quotes do not match"),
        ("CanonicalizeHostname yes\n", r"CanonicalizeHostname needs canonicaldomains"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_place(
    resolve: Resolve, tmp_path: Path, config: str, message: str
) -> None:
    (tmp_path / ".ssh" / "blocks.conf").write_text("Host x\n User y\n")
    (tmp_path / ".ssh" / "self.conf").write_text("Include self.conf\n")
    with pytest.raises(DocumentError, match=message):
        resolve(config)


def test_config_that_others_can_write_is_refused(resolve: Resolve, tmp_path: Path) -> None:
    resolve("")
    (tmp_path / ".ssh" / "config").chmod(0o666)
    with SshTransport() as transport, pytest.raises(DocumentError, match="others can write this file"):
        transport.resolve(Endpoint(name="web1", address="web", user="root"))


def test_named_config_that_is_missing_is_refused(tmp_path: Path) -> None:
    endpoint = Endpoint(name="web1", address="web", user="root", ssh_config=f"{tmp_path}/none.conf")
    with SshTransport() as transport, pytest.raises(DocumentError, match=r"none\.conf: cannot be read"):
        transport.resolve(endpoint)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="compares with OpenSSH's own answer")
@pytest.mark.parametrize("address", ["web", "web1.example.com", "db", "other"])
def test_hosts_resolve_as_in_openssh(resolve: Resolve, tmp_path: Path, address: str) -> None:
    config = """
Host web *.example.com !db
  Port 2200
Match host db user root
  Port 2300
Host db
  HostName %h.internal
  User root
Match originalhost other
  User fourth
Host *
  User someone
  IdentityFile /keys/%h
  IdentitiesOnly yes
"""
    target = resolve(config, address=address)
    theirs = subprocess.run(
        ["ssh", "-F", str(tmp_path / ".ssh" / "config"), "-G", address], check=True, capture_output=True, text=True
    ).stdout
    options = dict(line.split(" ", 1) for line in theirs.splitlines() if " " in line)
    assert (target.hostname, target.user, str(target.port)) == (options["hostname"], options["user"], options["port"])


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        ("", ("a", "b", "c")),
        ("+x", ("a", "b", "c")),
        ("-b", ("a", "c")),
        ("^c,x", ("c", "a", "b")),
        ("c,x,a", ("c", "a")),
        ("x", ()),
        ("-*", ()),
    ],
)
def test_algorithm_lists_are_read_as_in_openssh(spec: str, chosen: tuple[str, ...]) -> None:
    assert restricted(("a", "b", "c"), spec) == chosen


def test_algorithms_of_the_config_are_honoured(resolve: Resolve) -> None:
    target = resolve(
        "Ciphers aes256-ctr,aes256-gcm@openssh.com\nKexAlgorithms curve25519-sha256\nHostKeyAlgorithms -ssh-*"
    )
    assert target.algorithms.ciphers == ("aes256-ctr", "aes256-gcm@openssh.com")
    assert target.algorithms.kex == ("curve25519-sha256@libssh.org",)
    assert "ssh-ed25519" not in target.algorithms.host_keys


def test_hosts_share_the_way_of_their_jump_host_or_of_their_proxy_command(resolve: Resolve) -> None:
    assert resolve("", user="root").throttle == Throttle()
    jump = "Host bastion\n ProxyJump none\nHost *\n ProxyJump me@bastion:2222\n"
    through = [resolve(jump, address=name, connect_rate=rate) for name, rate in (("a", None), ("b", 5.0))]
    assert [host.throttle for host in through] == [
        Throttle(way="me@bastion:2222"),
        Throttle(way="me@bastion:2222", per_second=5.0),
    ]
    # It is one jump host, logged in to once, whatever is said of those behind it.
    assert through[0].via == through[1].via
    command = "Host *\n ProxyCommand ssh -W %h:%p bastion\n"
    assert [resolve(command, address=name).throttle for name in ("a", "b")] == [
        Throttle(way="ssh -W %h:%p bastion", logins=8)
    ] * 2
    assert resolve(command, jump_logins=3).throttle.logins == 3


def test_transports_side_by_side_keep_to_their_part(resolve: Resolve) -> None:
    config = "Host *\n ProxyCommand ssh -W %h:%p bastion\n"
    assert resolve(config, connect_rate=10.0, transports=4).throttle.per_second == 2.5
    assert [resolve(config, transports=number).throttle.logins for number in (1, 3, 16)] == [8, 2, 1]
