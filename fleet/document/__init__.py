"""Files that people write, loaded strictly: every refusal names file, line and column."""

from fleet.document.document import Document, Location, Position
from fleet.document.load import load_document, load_mapping
from fleet.document.reader import parse
from fleet.document.suggestion import did_you_mean
from fleet.document.validate import Items, StrictModel, validate

__all__ = [
    "Document",
    "Items",
    "Location",
    "Position",
    "StrictModel",
    "did_you_mean",
    "load_document",
    "load_mapping",
    "parse",
    "validate",
]
