"""What a node runs first: it takes the other programs from stdin, and starts them without a file on the node's disk.

Stdin has a line of JSON for each of: this program, the texts of all files by name, and what ``__main__`` is asked.
Python 3.6 has to read this file, so as to be told that it is too old for the others.
"""

import importlib.abc
import importlib.util
import json
import runpy
import sys

_OLDEST = (3, 9)


class Programs(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """A package whose files are texts.

    Args:
        package: its name.
        texts: by file name.
    """

    def __init__(self, package: str, texts: "dict[str, str]") -> None:
        self._package = package
        self._texts = texts

    def find_spec(
        self, fullname: str, _path: object = None, _target: object = None
    ) -> "importlib.machinery.ModuleSpec | None":
        if fullname != self._package and not fullname.startswith(self._package + "."):
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def is_package(self, fullname: str) -> bool:
        return fullname == self._package

    def get_source(self, fullname: str) -> str:
        file = "__init__" if self.is_package(fullname) else fullname.rpartition(".")[2]
        return self._texts[file + ".py"]


def main() -> None:
    """Start the programs, or say why not."""
    if sys.version_info < _OLDEST:
        version = ".".join(map(str, sys.version_info[:3]))
        error = {"error": f"python3 is {version}, and 3.9 is the oldest that will do"}
        sys.stdout.write(" ".join([*sys.argv[1:], json.dumps([error])]) + "\n")
        return
    sys.meta_path.insert(0, Programs("inside", json.loads(sys.stdin.readline())))
    runpy.run_module("inside", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
