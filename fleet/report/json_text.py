"""JSON that any parser reads and any terminal survives."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel, TypeAdapter

_NOTHING = "{}\n}\n"
_ONE = TypeAdapter[Mapping[str, BaseModel]](Mapping[str, BaseModel])


def clean(text: str) -> str:
    """Text as it is, but for lone surrogates, which Unicode and so JSON cannot hold: these become escapes."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def json_text(document: BaseModel) -> str:
    """Write a document as ASCII with a final newline, so that no control character reaches a terminal."""
    return _printable(document.model_dump_json(indent=2, by_alias=True, ensure_ascii=True)) + "\n"


def json_pieces_of_hosts(document: BaseModel, hosts: Iterable[tuple[str, BaseModel]]) -> Iterator[str]:
    """Write a document host by host: a thousand hosts are 30 MB of text, which nobody need have at once.

    Args:
        document: its last field is the mapping of hosts, and empty.
        hosts: by name, in order; each is let go of once it is written.
    """
    begin, end = json_text(document).removesuffix(_NOTHING), ""
    for name, host in hosts:
        one = _ONE.dump_json({name: host}, indent=2, by_alias=True, ensure_ascii=True, serialize_as_any=True).decode()
        text = _printable(one).removeprefix("{").removesuffix("\n}").replace("\n", "\n  ")
        yield f",{text}" if end else f"{begin}{{{text}"
        end = "\n  }\n}\n"
    yield end or begin + _NOTHING


def _printable(text: str) -> str:
    # DEL is the one control character that JSON leaves as it is; here it can only stand inside a string.
    return text.replace("\x7f", "\\u007f")
