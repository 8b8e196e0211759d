from pathlib import Path
from typing import Annotated

from check_docs import outdated, pages
from docs_commands import wrong_commands
from docs_links import broken_links
from typer import Option, Typer


def page(root: Path, text: str, name: str = "page.md") -> Path:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_links_to_missing_files_and_headings_are_named_with_their_line(tmp_path: Path) -> None:
    page(tmp_path, "# Other Page: `code`\n\n## Exit codes\n", "docs/other.md")
    text = """# Top

[ok](docs/other.md) [ok](docs/other.md#exit-codes) [ok](#top) [ok](docs/other.md#other-page-code) [ok](https://a.example/x)

[gone](docs/gone.md)
and [wrong](docs/other.md#no-such) and [here](#nowhere)
"""
    assert [*broken_links(tmp_path, [page(tmp_path, text)])] == [
        "page.md:5: no such file: docs/gone.md",
        "page.md:5: no such heading: docs/other.md#no-such",
        "page.md:5: no such heading: #nowhere",
    ]


def app() -> Typer:
    top, lab = Typer(), Typer()

    @top.command()
    def audit(
        playbook: str,
        form: Annotated[str, Option("--format", "-f")] = "table",
        verbose: Annotated[int, Option("--verbose", "-v", count=True)] = 0,
    ) -> None: ...

    @top.command()
    def inventory(limit: Annotated[str, Option("--limit", "-l")] = "") -> None: ...

    @lab.callback()
    def of_all(name: Annotated[str, Option("--name")] = "default") -> None: ...

    @lab.command()
    def up(nodes: Annotated[int, Option("-n")] = 1) -> None: ...

    @lab.command()
    def down() -> None: ...

    top.add_typer(lab, name="lab")
    return top


def test_commands_and_options_that_do_not_exist_are_named(tmp_path: Path) -> None:
    text = """Try `fleet audit --locl x` or `fleet audit -vv x -f json`, not `fleet.audit/1`.

```sh
$ FLEET_INVENTORY=x fleet inventory --limit web && fleet aduit x
fleet lab --name x up -n 5 | fleet lab --name up upp
```
"""
    assert [*wrong_commands(tmp_path, [page(tmp_path, text)], app())] == [
        "page.md:1: `fleet audit --locl x`: audit has no option --locl",
        "page.md:4: `fleet aduit x`: there is no command aduit",
        "page.md:5: `fleet lab --name up upp`: there is no command upp",
    ]


def test_generated_files_that_differ_or_are_left_over_are_named(tmp_path: Path) -> None:
    page(tmp_path, "old", "docs/keys.md")
    page(tmp_path / "docs", "{}", "schemas/gone.json")
    assert [*outdated(tmp_path, {"docs/keys.md": "new", "docs/controls.md": "new"})] == [
        "docs/keys.md: differs from the code: run `make docs`",
        "docs/controls.md: differs from the code: run `make docs`",
        "docs/schemas/gone.json: there is no such schema: delete the file",
    ]
    page(tmp_path, "new", "docs/keys.md")
    assert not [*outdated(tmp_path / "docs", {"keys.md": "new"})][1:]


def test_the_pages_are_those_at_the_top_and_under_docs(tmp_path: Path) -> None:
    expected = [page(tmp_path, "", "README.md"), page(tmp_path, "", "docs/a.md")]
    page(tmp_path, "", "tests/b.md")
    assert sorted(pages(tmp_path)) == sorted(expected)
