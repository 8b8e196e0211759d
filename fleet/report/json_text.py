"""JSON that any parser reads and any terminal survives."""

from pydantic import BaseModel


def clean(text: str) -> str:
    """Text as it is, but for lone surrogates, which Unicode and so JSON cannot hold: these become escapes."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def json_text(document: BaseModel) -> str:
    """Write a document as ASCII with a final newline, so that no control character reaches a terminal."""
    text = document.model_dump_json(indent=2, by_alias=True, ensure_ascii=True)
    # DEL is the one control character that JSON leaves as it is; here it can only stand inside a string.
    return text.replace("\x7f", "\\u007f") + "\n"
