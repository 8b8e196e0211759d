"""Becoming root with sudo or doas, and saying why it did not work.

A sudo password goes over stdin, and never before sudo asks for it: the prompt holds a random word that only our sudo
prints. The command's own stdin follows only after a line with the same word shows that the command has started;
else a sudo that needs no password would hand the password to the command.
"""

import re
import secrets
from importlib import resources

from fleet.model.connection import BecomeMethod
from fleet.model.errors import BecomeError
from fleet.model.secret import Secret
from fleet.model.text import printable

# Messages are recognised in the C locale only.
_C_LOCALE = ("env", "LC_ALL=C")
_NEEDS_PASSWORD = (
    "give it with --ask-become-pass or $FLEET_BECOME_PASSWORD, or allow this user with NOPASSWD in sudoers"  # noqa: S105
)
_NOT_INSTALLED = re.compile(r"(?:env|sh|bash|ash|fish|zsh)?:? .*\b(sudo|doas)\b.*(?:not found|No such file)")
_REFUSALS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), reason, advice)
    for pattern, reason, advice in (
        (
            r"^sudo: .*must have a tty",
            "sudo insists on a terminal (requiretty)",
            "put 'Defaults:USER !requiretty' into sudoers for this user",
        ),
        (
            r"^sudo: (?:a password is required|a terminal is required|no askpass program|no tty present)",
            "sudo asks for a password",
            _NEEDS_PASSWORD,
        ),
        (
            r"^sudo: \d+ incorrect password attempt|^Sorry, try again",
            "sudo refused the password",
            "give the password of this user on this host with --ask-become-pass or $FLEET_BECOME_PASSWORD",
        ),
        (
            r"is not in the sudoers file|may not run sudo|is not allowed to (?:execute|run sudo)",
            "this user may not run commands as root with sudo",
            "add a rule for this user to sudoers (visudo), or log in as another user",
        ),
        (
            r"^sudo: (?:account validation failure|.*(?:password|account).*expired)",
            "the account of this user is locked or expired for sudo",
            "see 'chage -l USER' on the host",
        ),
        (
            r"^sudo: .*(?:effective uid is not 0|no new privileges|must be owned by uid 0 and have the setuid bit)",
            "sudo cannot become root there (no setuid)",
            "see whether sudo is setuid root, its file system is mounted nosuid, or sshd runs with NoNewPrivileges",
        ),
        (
            r"^sudo: (?:.*(?:syntax error|parse error)|error initializing|no valid sudoers)",
            "sudoers of the host does not load",
            "run 'visudo -c' on the host",
        ),
        (
            r"^doas: (?:Authentic|Authori[sz])ation (?:required|failed)|^doas: a tty is required",
            "doas asks for a password, which it takes from a terminal only",
            "allow this user with 'permit nopass USER' in doas.conf, or use sudo",
        ),
        (
            r"^doas: (?:Operation not permitted|doas is not enabled)",
            "this user may not run commands as root with doas",
            "add 'permit nopass USER' to doas.conf",
        ),
        (
            r"^doas: not installed setuid",
            "doas is not setuid root there",
            "install doas from the distribution's package",
        ),
    )
)


def _started_line() -> str:
    """The one line of started.sh that is not a comment: csh takes no line break inside quotes."""
    text = resources.files("fleet.transport").joinpath("started.sh").read_text(encoding="ascii")
    return next(line for line in text.splitlines() if line and not line.startswith("#"))


_STARTED = _started_line()


def without_password(method: BecomeMethod, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Wrap a command in a sudo or doas that fails rather than asks; ``none`` leaves it as it is."""
    if method == "none":
        return arguments
    return (*_C_LOCALE, method, "-n", "--", *arguments)


class SudoDialogue:
    """Gives sudo its password when it asks, and tells when the command has started.

    Args:
        host: the inventory name.
        user: who logs in, for messages.
        password: for sudo.
    """

    def __init__(self, host: str, user: str, password: Secret) -> None:
        self._host = host
        self._user = user
        self._password = password
        self._prompt = f"fleet-sudo-{secrets.token_hex(8)}:".encode()
        self._marker = f"fleet-started-{secrets.token_hex(8)}\n".encode()
        self._asked = False
        self.started = False

    def arguments(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Wrap a command in sudo, which asks on stderr, and in a shell that reports the start on stdout."""
        marker = self._marker.decode().strip()
        sudo = ("sudo", "-S", "-p", self._prompt.decode(), "--", "sh", "-c", _STARTED, "sh", marker)
        return (*_C_LOCALE, *sudo, *arguments)

    def answer(self, stderr: bytearray) -> bytes:
        """Look for the prompt and take it out of stderr.

        Returns:
            what to write to stdin now.

        Raises:
            BecomeError: sudo asks again, so the password was wrong.
        """
        if self.started or self._prompt not in stderr:
            return b""
        again = self._asked or stderr.count(self._prompt) > 1
        stderr[:] = stderr.replace(self._prompt, b"")
        if again:
            raise BecomeError(
                self._host,
                f"sudo refused the password of {printable(self._user)}",
                advice="give the password of this user on this host with --ask-become-pass or $FLEET_BECOME_PASSWORD",
            )
        self._asked = True
        return self._password.reveal().encode() + b"\n"

    def look_for_start(self, stdout: bytearray) -> bool:
        """Take the line that reports the start out of stdout; what a login shell printed before it stays."""
        if not self.started and self._marker in stdout:
            self.started = True
            stdout[:] = stdout.replace(self._marker, b"", 1)
        return self.started


def refusal(  # noqa: PLR0913 all of it is what one ended command left
    host: str, method: BecomeMethod, user: str, *, status: int, answered: bool, stderr: bytes
) -> BecomeError | None:
    """Tell whether a command that failed was never started, from what sudo or doas said in the C locale.

    Args:
        host: the inventory name.
        method: how root was to be had.
        user: who logged in.
        status: exit status; 0 is never a refusal.
        answered: there was output on stdout: then only known messages count.
        stderr: of the command.
    """
    if method == "none" or status == 0:
        return None
    lines = [line.strip() for line in stderr[:16384].decode(errors="replace").splitlines()]
    who = printable(user)
    for pattern, reason, advice in _REFUSALS:
        if any(pattern.search(line) for line in lines):
            return BecomeError(host, f"{reason} (logged in as {who})", advice=advice.replace("USER", who))
    missing = status in {126, 127} and any(_NOT_INSTALLED.search(line) for line in lines)
    if missing:
        return BecomeError(
            host,
            f"{method} is not installed there",
            advice="install it, log in as root, or choose another become method",
        )
    own = [line for line in lines if line.startswith(f"{method}: ") and "unable to resolve host" not in line]
    if own and not answered:
        return BecomeError(host, printable(own[0], 200), advice=f"run '{method} -n true' as {who} on the host")
    return None


def slow(host: str, method: BecomeMethod, limit: float) -> BecomeError:
    """Say that sudo did not start the command in time."""
    return BecomeError(
        host,
        f"{method} did not start the command within {limit:g} s",
        advice="sudo may be looking up the host's own name (put it into /etc/hosts there), wait for LDAP or ask for a "
        "second factor; run it by hand on the host",
    )
