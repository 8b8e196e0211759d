"""Values compared as the kernel means them, not as they are spelled.

The kernel prints ``32768<TAB>60999`` for ``32768 60999`` and ``8080,30000-32767`` for ``30000-32767,8080``; comparing
texts reports drift where there is none.
"""

from fleet.kernel.catalogue import known_key
from fleet.kernel.key import Kind
from fleet.kernel.number import parse_number
from fleet.kernel.portset import PortSet

_RANGE_ENDS = 2


def fold(text: str) -> str:
    """Blanks, tabs and newlines become one blank each, none at the ends."""
    return " ".join(text.split())


def normalise(key_name: str, text: str) -> str:
    """The text that the kernel prints after it was given this one, with whitespace folded.

    Like the kernel, this reads as many numbers as the key has and leaves out what follows (``60 # note`` is 60).
    Keys outside the catalogue are only folded. The value's bounds are not looked at.

    Raises:
        ValueError: the kernel would refuse the text, or (a port range with one end) take half of it.
    """
    kind = _kind(key_name)
    match kind:
        case Kind.INT | Kind.BOOL:
            return str(_numbers(text, 1)[0])
        case Kind.PORT_RANGE:
            return "{} {}".format(*_range(text))
        case Kind.PORT_LIST:
            return str(PortSet.parse(text))
        case None:
            return fold(text)


def equal(key_name: str, a: str, b: str) -> bool:
    """Whether the kernel makes no difference between two values of one key.

    A value that the key cannot hold equals only its own spelling, so text from a node may be passed as it is.
    """
    if fold(a) == fold(b):
        return True
    try:
        return normalise(key_name, a) == normalise(key_name, b)
    except ValueError:
        return False


def ports_of(key_name: str, text: str) -> PortSet:
    """The ports that a value of ``ip_local_port_range`` or ``ip_local_reserved_ports`` stands for.

    Raises:
        ValueError: the key does not hold ports, or the text is no value of it.
    """
    kind = _kind(key_name)
    if kind is Kind.PORT_RANGE:
        return PortSet.of([_range(text)])
    if kind is Kind.PORT_LIST:
        return PortSet.parse(text)
    raise ValueError(f"{key_name} does not hold ports")


def bounded_numbers(key_name: str, text: str) -> tuple[int, ...]:
    """The numbers of a value that bounds apply to: the value itself, or each end of its port ranges.

    A key outside the catalogue has them only where its value is one whole number.

    Raises:
        ValueError: as `normalise`.
    """
    kind = _kind(key_name)
    if kind in {Kind.PORT_LIST, Kind.PORT_RANGE}:
        return tuple(port for ports in ports_of(key_name, text).ranges for port in ports)
    value = normalise(key_name, text)
    return (int(value),) if value.removeprefix("-").isdecimal() else ()


def _kind(key_name: str) -> Kind | None:
    key = known_key(key_name)
    return key.kind if key is not None else None


def _range(text: str) -> tuple[int, int]:
    first, last = _numbers(text, _RANGE_ENDS)
    if first > last:
        raise ValueError(f"the range {fold(text)!r} begins above its end")
    return first, last


def _numbers(text: str, count: int) -> tuple[int, ...]:
    tokens = text.split()[:count]
    if len(tokens) < count:
        wanted = "a number" if count == 1 else "two numbers, such as 32768 60999"
        raise ValueError(f"{fold(text)!r} is not {wanted}")
    return tuple(parse_number(token) for token in tokens)
