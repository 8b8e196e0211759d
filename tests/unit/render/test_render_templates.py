"""Templates: which counts, what is said of a broken one, and what the documentation lists."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import jinja2
import pytest
from jinja2 import meta
from support.render import SHIPPED, sysctl

from fleet.model.errors import DocumentError
from fleet.model.facts import IpvsTimeouts
from fleet.render import ModuleLine, ProxyArgument, Reason, SysctlLine, Templates
from fleet.render.templates import comment

DOCUMENTATION = SHIPPED.parent / "docs" / "templates.md"


def own(directory: Path, **templates: str) -> Templates:
    """The shipped templates with some of one's own over them; ``__`` stands for a dot in a name."""
    for name, text in templates.items():
        (directory / f"{name.replace('__', '.')}.j2").write_text(text)
    return Templates(SHIPPED, directory)


def refused(templates: Templates) -> DocumentError:
    with pytest.raises(DocumentError) as refusal:
        sysctl(templates=templates)
    return refusal.value


def test_a_directory_of_ones_own_takes_precedence_file_by_file(tmp_path: Path) -> None:
    templates = own(tmp_path, modprobe__conf="options nf_conntrack hashsize={{ buckets }}\n")
    assert templates.render("modprobe.conf", {"buckets": 5}) == b"options nf_conntrack hashsize=5\n"
    assert sysctl(templates=templates) == sysctl()


def test_a_part_of_ones_own_takes_precedence_in_shipped_templates(tmp_path: Path) -> None:
    templates = own(tmp_path, _header="# Ours: {{ playbook }}\n")
    assert sysctl(templates=templates).content.startswith(b"# Ours: Stop conntrack")


def test_templates_may_include_parts_that_fleet_does_not_ship(tmp_path: Path) -> None:
    templates = own(tmp_path, sysctl__conf='{% include "_ours.j2" %}', _ours="# {{ playbook }}\n")
    assert sysctl(templates=templates).content == b"# Stop conntrack connection resets\n"


def test_other_files_beside_templates_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("{% broken")
    assert sysctl(templates=Templates(SHIPPED, tmp_path)) == sysctl()


def test_an_unknown_variable_is_named_with_template_and_line(tmp_path: Path) -> None:
    templates = own(tmp_path, sysctl__conf="# one\n\n{{ setings }}\n")
    error = refused(templates)
    assert (error.path, error.line) == (str(tmp_path / "sysctl.conf.j2"), 3)
    assert "'setings' is undefined" in str(error)
    assert "docs/templates.md" in str(error)


def test_an_unknown_field_is_named_with_template_and_line(tmp_path: Path) -> None:
    error = refused(own(tmp_path, sysctl__conf="{% for line in settings %}\n{{ line.valeu }}\n{% endfor %}\n"))
    assert error.line == 2
    assert "valeu" in str(error)


def test_an_error_in_a_part_is_told_with_the_line_of_the_part(tmp_path: Path) -> None:
    error = refused(own(tmp_path, _header="\n{{ nothing }}\n"))
    assert (error.path, error.line) == (str(tmp_path / "_header.j2"), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n{{ 1 // 0 }}", "division"),
        ("\n{{ 'a' + 1 }}", "str"),
        ("\n{{ range(10 ** 9) }}", "Range too big"),
        ("\n{{ settings.__class__.__mro__ }}", "unsafe"),
        ("\n{{ ''.__class__ }}", "unsafe"),
        ("\n{{ settings[0].__init__.__globals__ }}", "unsafe"),
        ('\n{% include "../../etc/passwd" %}', "there is no template"),
        ('\n{% include "_gone.j2" %}', "there is no template _gone.j2"),
    ],
)
def test_a_template_that_fails_or_reaches_out_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    error = refused(own(tmp_path, sysctl__conf=text))
    assert (error.path, error.line) == (str(tmp_path / "sysctl.conf.j2"), 2)
    assert message in str(error)


def test_a_template_that_calls_itself_without_end_is_refused(tmp_path: Path) -> None:
    error = refused(own(tmp_path, sysctl__conf='{% include "sysctl.conf.j2" %}'))
    assert "recursion" in str(error)


def test_a_template_cannot_change_what_others_see(tmp_path: Path) -> None:
    error = refused(own(tmp_path, sysctl__conf="\n{{ controls.append(1) }}"))
    assert "unsafe" in str(error)


@pytest.mark.parametrize("text", ["# one\n{% for %}\n", "# one\n{{ buckets | nofilter }}\n"])
def test_a_broken_template_is_refused_before_anything_is_rendered(tmp_path: Path, text: str) -> None:
    with pytest.raises(DocumentError, match=r"modprobe\.conf\.j2:2: "):
        own(tmp_path, modprobe__conf=text)


def test_a_name_that_nothing_asks_for_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"sysctl\.cnf\.j2: nothing asks for this template .*sysctl\.conf\.j2"):
        own(tmp_path, sysctl__cnf="")


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="gone: cannot be read: No such file"):
        Templates(SHIPPED, tmp_path / "gone")


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sysctl.conf.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match=r"sysctl\.conf\.j2: is not UTF-8"):
        Templates(SHIPPED, tmp_path)


def used(name: str) -> frozenset[str]:
    """The variables of a shipped template and of the parts that it includes."""
    environment = jinja2.Environment(autoescape=True)
    environment.filters["comment"] = comment
    tree = environment.parse((SHIPPED / name).read_text())
    parts = [part for part in meta.find_referenced_templates(tree) if part is not None]
    return frozenset().union(meta.find_undeclared_variables(tree), *(used(part) for part in parts))


def documented() -> Iterator[tuple[str, frozenset[str]]]:
    """The rows of the table of templates: name and variables, the common ones included."""
    text = DOCUMENTATION.read_text()
    for row in re.findall(r"^\| `([\w.-]+\.j2)` \|.*\| (.*) \|$", text, re.MULTILINE):
        yield row[0], frozenset(re.findall(r"`(\w+)`", row[1]))


def test_the_documentation_lists_every_template_with_its_variables() -> None:
    templates = {file.name for file in SHIPPED.glob("*.j2") if not file.name.startswith("_")}
    assert dict(documented()) == {name: used(name) for name in templates}


@pytest.mark.parametrize("kind", [Reason, SysctlLine, ModuleLine, ProxyArgument, IpvsTimeouts])
def test_the_documentation_explains_every_field(kind: type) -> None:
    text = DOCUMENTATION.read_text()
    assert {field.name for field in fields(kind)} <= set(re.findall(r"`\w+\.(\w+)`", text))


def test_every_variable_that_is_documented_is_given(tmp_path: Path) -> None:
    """A template that uses exactly what the table lists renders."""
    (names,) = (names for name, names in documented() if name == "sysctl.conf.j2")
    text = "".join(f"{{{{ {name} }}}}" for name in sorted(names))
    assert sysctl(templates=own(tmp_path, sysctl__conf=text)).content
