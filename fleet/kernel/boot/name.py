"""Names of keys as paths below /proc/sys.

In every reader the first separator decides: ``net.ipv4.conf.eth0/100.rp_filter`` and
``net/ipv4/conf/eth0.100/rp_filter`` are one key. https://www.freedesktop.org/software/systemd/man/latest/sysctl.d.html
"""

_SWAPPED = bytes.maketrans(b"./", b"/.")


def swapped(name: bytes) -> bytes:
    """The name with slashes for separators and dots inside interface names, as bytes because files hold bytes."""
    first = min((index for index in (name.find(b"."), name.find(b"/")) if index >= 0), default=-1)
    return name.translate(_SWAPPED) if first >= 0 and name[first : first + 1] == b"." else name


def path_of(key: str) -> bytes:
    """The path of a key below /proc/sys."""
    return swapped(key.encode(errors="surrogateescape"))


def simplified(path: bytes) -> bytes:
    """Without repeated slashes, slashes at the ends and components of one dot."""
    return b"/".join(part for part in path.split(b"/") if part not in {b"", b"."})


def dotted(name: str) -> str:
    """A key in dots, however it is written: the separator that comes first decides, as in sysctl.d(5)."""
    slash, dot = name.find("/"), name.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name.translate(str.maketrans("/.", "./"))
    return name
