"""Values that must not be seen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password or passphrase; masked wherever it would be printed, logged or formatted, and not pickled.

    So nothing that has one in it can be sent to another process or machine unless it is sent by a way made for it.
    """

    _value: str

    def reveal(self) -> str:
        """The value itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled: it stays in the process that has it")
