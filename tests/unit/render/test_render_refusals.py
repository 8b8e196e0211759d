"""What is refused by name, and what stays harmless in templates of one's own."""

import re
from pathlib import Path

import pytest
from support.hostile import TRICKS
from support.kernel import node
from support.render import PLAYBOOK, SETTINGS, SHIPPED, TEMPLATES, line, snippet, sysctl

from fleet.kernel.boot import BootSet, resolve_boot
from fleet.model.errors import FleetError
from fleet.render import RenderError, Templates, sysctl_file
from fleet.render.templates import comment


@pytest.mark.parametrize("name", ["99-sysctl.conf", "x.txt", "x.conf.bak", "conf"])
def test_a_file_that_its_reader_would_not_take_for_its_own_is_refused(name: str) -> None:
    with pytest.raises(RenderError, match=r"^path: "):
        sysctl_file(TEMPLATES, path=f"/etc/sysctl.d/{name}", settings=SETTINGS, playbook=PLAYBOOK)


@pytest.mark.parametrize(
    "text", ["{{ line.value }}", "# {{ line.why }}\n{{ line.key }}={{ line.value }}", "# {{ playbook }}"]
)
def test_templates_of_ones_own_need_not_quote(tmp_path: Path, text: str) -> None:
    """Reasons are on one line for them as well, so that a plain comment holds them."""
    (tmp_path / "sysctl.conf.j2").write_text(f"{{% for line in settings %}}\n{text}\n{{% endfor %}}\n")
    templates = Templates(SHIPPED, tmp_path)
    for attack in [*TRICKS, "a\nb", "a\r\nb", "a\0b", "a\\\\"]:
        content = sysctl(line("net.core.somaxconn", "4096", why=attack), playbook=attack, templates=templates).content
        assert content.count(b"\n") == text.count("\n") + 1
        assert not re.search(rb"[\0\r]", content)


def test_keys_of_interfaces_with_dots_are_one_key_of_that_interface() -> None:
    settings = [line("net.ipv4.conf.eth0/100.rp_filter", "2")]
    files = {"/etc/modules-load.d/x.conf": "", "/etc/sysctl.d/90-fleet.conf": sysctl(*settings).content.decode()}
    key = settings[0].key
    value = resolve_boot(node(files=files, sysctls={key: "0"}), [key])[key]
    assert isinstance(value, BootSet)
    assert value.value == "2"


@pytest.mark.parametrize(
    "key",
    [
        "tcp_fin_timeout",
        "net..tcp_fin_timeout",
        "net.ipv4.",
        ".net.ipv4",
        "net.ipv4.conf.eth0/.rp_filter",
        "net.ipv4.conf.eth0//1.rp_filter",
        "net.ipv4.conf./eth0.rp_filter",
        "net.ipv4...kernel",
        "net/ipv4/tcp_fin_timeout",
        "-net.ipv4.tcp_fin_timeout",
        "net.ipv4.conf.-.rp_filter",
        "net.ipv4.conf.*.rp_filter",
        "net.ipv4.tcp_fin_timeout ",
        "net.ipv4.tcp_fin_timeout\n",
    ],
)
def test_a_name_that_is_not_one_plain_key_is_refused(key: str) -> None:
    with pytest.raises(RenderError, match=r"^key: .* is not one sysctl key in dots"):
        sysctl(line(key, "1"))


@pytest.mark.parametrize("value", ["a b", 'a"', "a'", "a\\", "a\n", "a#", "a,b", "{{ a }}", "a: [", "%i", ""])
def test_the_value_of_an_option_is_plain(value: str) -> None:
    with pytest.raises(RenderError, match=r"^value of conntrack-min: "):
        snippet(("conntrack-min", value))


@pytest.mark.parametrize("value", ["1 # note", "#1", "1\\", "a\\b", "=1", "1\n2", "1\r2", "1\0", "\u00e9", "x" * 4001])
def test_a_value_that_readers_would_not_agree_about_is_refused(value: str) -> None:
    with pytest.raises(RenderError, match=r"^value of net\.core\.somaxconn: .* is not one line of plain characters"):
        sysctl(line("net.core.somaxconn", value))


@pytest.mark.parametrize("text", ["x \\", "\\", "a " * 49 + "\\ b", ("a" * 99 + "\\ ") * 3, "x \\\\\n\\\n"])
def test_no_line_of_a_comment_ends_in_a_backslash(text: str) -> None:
    for each in comment(text).split("\n"):
        assert each.startswith("#")
        assert not each.endswith("\\")


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_an_empty_value_is_refused(value: str) -> None:
    with pytest.raises(FleetError, match=r"^value of net\.core\.somaxconn: "):
        sysctl(line("net.core.somaxconn", value))
