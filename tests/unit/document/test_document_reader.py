"""What a document may hold, and where each refusal points."""

import contextlib
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet.document import parse
from fleet.document import reader as reader_module
from fleet.model.errors import DocumentError


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("0644", "0644"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("10:30", "10:30"),
        ("1_000", "1_000"),
        ("12e03", "12e03"),
        (".5", ".5"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1.5e9999", "1.5e9999"),
        ("2027-03-01", "2027-03-01"),
        ("2027-03-01T10:00:00Z", "2027-03-01T10:00:00Z"),
        ("10.0.0.1", "10.0.0.1"),
        ("=", "="),
        ("1" * 5000, "1" * 5000),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("65535", 65535),
        ("1.5", 1.5),
        ("-0.25e-3", -0.00025),
        ("'true'", "true"),
        ('"12"', "12"),
        ("'<<'", "<<"),
    ],
)
def test_a_scalar_is_what_it_looks_like_and_nothing_of_yaml_1_1(written: str, value: object) -> None:
    data = parse(f"key: {written}\n".encode(), "file.yaml").data
    assert data == {"key": value}
    assert type(data["key"]) is type(value)


REFUSED = [
    ("duplicate key", b"a: 1\nb: 2\na: 3\n", "3:1", "key 'a' is given twice (first on line 1)"),
    ("duplicate key in a flow mapping", b"x: {a: 1, a: 2}\n", "1:11", "key 'a' is given twice"),
    ("duplicate key, quoted once", b"a: 1\n'a': 2\n", "2:1", "key 'a' is given twice"),
    ("merge key", b"a: &a {b: 1}\nc:\n  <<: *a\n", "3:3", "merge key '<<' is not allowed"),
    ("python tag", b"a: !!python/object/apply:os.system [id]\n", "1:4", "tag 'tag:yaml.org,2002:python/object"),
    ("standard tag", b"a: !!str 1\n", "1:4", "tag 'tag:yaml.org,2002:str' is not allowed"),
    ("own tag", b"a:\n  - !vault x\n", "2:5", "tag '!vault' is not allowed"),
    ("bare tag", b"a: ! x\n", "1:4", "tag '!' is not allowed"),
    ("tag on a mapping", b"!!omap\na: 1\n", "1:1", "tag"),
    ("tag on a key", b"!!str a: 1\n", "1:1", "tag"),
    ("two documents", b"a: 1\n---\nb: 2\n", "2:1", "a second document begins"),
    ("directive", b"%YAML 1.1\n---\na: 1\n", "1:1", "YAML directives are not allowed"),
    ("integer key", b"a:\n  80: x\n", "2:3", "key '80' is not text (quote it: \"80\")"),
    ("true as key", b"true: x\n", "1:1", "key 'true' is not text"),
    ("null as key", b"~: x\n", "1:1", "key '~' is not text"),
    ("list as key", b"? [a]\n: b\n", "1:3", "a key is a list or mapping"),
    ("alias as key", b"a: &x b\n*x : c\n", "2:1", "a key is the alias '*x'"),
    ("tab as indentation", b"a:\n\tb: 1\n", "2:1", "tab character is not allowed"),
    ("tab after a key", b"a:\t1\n", "1:3", "tab character is not allowed"),
    ("NUL", b"a: b\x00c\n", "1:5", "character U+0000 is not allowed"),
    ("escape character", b"a: 1\r\nb: \x1b[31m\n", "2:4", "character U+001B is not allowed"),
    ("line separator", "a: b\u2028c: d\n".encode(), "1:5", "character U+2028 is not allowed"),
    ("byte order mark inside", "a: \ufeffb\n".encode(), "1:4", "character U+FEFF is not allowed"),
    ("invalid UTF-8", "ä: ü\nb: ".encode() + b"\xff\n", "2:4", "byte 0xff is not UTF-8 (save the file as UTF-8)"),
    ("UTF-16", "a: 1\n".encode("utf-16"), "1:1", "byte 0xff is not UTF-8"),
    ("recursion in a mapping", b"a: &a\n  b: *a\n", "2:6", "alias '*a' stands inside what it stands for"),
    ("recursion in a list", b"&a [1, *a]\n", "1:8", "alias '*a' stands inside what it stands for"),
    ("alias without anchor", b"a: *nowhere\n", "1:4", "alias '*nowhere' has no anchor"),
    ("empty file", b"", "1:1", "the file is empty"),
    ("only a comment", b"# nothing\n", "1:1", "the file is empty"),
    ("value with a colon", b"a: b: c\n", "1:5", "not valid YAML: mapping values are not allowed"),
    ("open quote", b"a: 'x\n", None, "not valid YAML"),
    ("open bracket", b"a: [1,\nb: 2\n", None, "not valid YAML"),
    ("bad indentation", b"a:\n  b: 1\n c: 2\n", "3:2", "not valid YAML"),
    ("reserved character", b"a: @x\n", "1:4", "not valid YAML: found character that cannot start any token"),
    ("nested too deep", b"[" * 65 + b"]" * 65, "1:65", "nested more than 64 levels deep"),
    ("nested far too deep", b"- " * 100_000, "1:129", "nested more than 64 levels deep"),
]


@pytest.mark.parametrize(("text", "position", "message"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_refusal_names_line_and_column(text: bytes, position: str | None, message: str) -> None:
    with pytest.raises(DocumentError) as refusal:
        parse(text, "some/file.yaml")
    assert message in str(refusal.value)
    if position:
        assert str(refusal.value).startswith(f"some/file.yaml:{position}: ")


def test_the_same_documents_are_refused_by_the_parser_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_LOADER", yaml.SafeLoader)
    for _, text, _, _ in REFUSED[:-1]:  # the pure Python scanner needs minutes for the last
        with pytest.raises(DocumentError):
            parse(text, "file.yaml")


def test_a_file_over_16_mib_is_refused() -> None:
    with pytest.raises(DocumentError, match="larger than 16 MiB"):
        parse(b"a: " + b"x" * (16 * 1024 * 1024), "file.yaml")


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 20)]
    started = time.thread_time()
    with pytest.raises(DocumentError, match="aliases repeat more than 1,000,000 values") as refusal:
        parse("\n".join(lines).encode(), "bomb.yaml")
    assert time.thread_time() - started < 1
    assert refusal.value.line == 6


def test_a_plain_alias_repeats_its_value() -> None:
    document = parse(b"a: &ssh {port: 22}\nb: *ssh\nc: &n 5\nd: [*n, *n]\n", "file.yaml")
    assert document.data == {"a": {"port": 22}, "b": {"port": 22}, "c": 5, "d": [5, 5]}


def test_a_byte_order_mark_at_the_start_and_windows_line_ends_are_read() -> None:
    document = parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "file.yaml")
    assert document.data == {"a": 1, "b": 2}
    assert document.position(("b",)) == (2, 4)


def test_positions_of_keys_and_values_are_known() -> None:
    document = parse(b"name: x\ncontrols:\n  - id: a\n    expect: {equals: 1}\n  - id: b\n", "file.yaml")
    assert document.position(()) == (1, 1)
    assert document.position(("controls", 0, "id")) == (3, 9)
    assert document.position(("controls", 0, "expect", "equals")) == (4, 22)
    assert document.key_position(("controls", 0, "expect")) == (4, 5)
    assert document.position(("controls", 1)) == (5, 5)


def test_position_of_what_is_not_there_is_that_of_the_nearest_container() -> None:
    document = parse(b"a:\n  b: 1\n", "file.yaml")
    assert document.position(("a", "c", 0)) == (2, 3)
    assert document.position(("a", "b", "deeper")) == (2, 6)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_a_yaml_writer_writes_is_read_back(value: object) -> None:
    # Every text is quoted by the writer, so that no rule about plain scalars is in play.
    written = yaml.safe_dump({"value": value}, default_style='"', allow_unicode=False, width=10**6)
    written = _without_tags(written)
    assert parse(written.encode(), "file.yaml").data == {"value": _as_text(value)}


def _without_tags(written: str) -> str:
    for tag in ("!!int ", "!!float ", "!!bool ", "!!null "):
        written = written.replace(tag, "")
    return written


def _as_text(value: object) -> object:
    """Quoted, a scalar is text; only the structure and the text of each value are compared."""
    match value:
        case dict():
            return {key: _as_text(member) for key, member in value.items()}
        case list():
            return [_as_text(member) for member in value]
        case str():
            return value
        case _:
            return yaml.safe_dump(value, default_style='"').split('"')[1]


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{},&*!|>'\"#% \n", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_document_error(text: bytes) -> None:
    with contextlib.suppress(DocumentError):
        assert parse(text, "file.yaml").path == "file.yaml"
