"""The probe that reads a node in one exec, and the parser of its answer."""

from fleet.facts.parse import parse_answer
from fleet.facts.request import ProbeRequest, key_in_dots, key_path, probe_arguments, probe_script

__all__ = ["ProbeRequest", "key_in_dots", "key_path", "parse_answer", "probe_arguments", "probe_script"]
