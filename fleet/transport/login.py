"""Logging in: which keys and passwords to offer, in which order, and what to say when none is taken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.ssh_exception import PartialAuthentication

from fleet.model.errors import AuthError, HostTimeoutError
from fleet.model.secret import Secret
from fleet.model.text import printable
from fleet.transport.errors import host_error
from fleet.transport.keys import KeyProblem, KeyStore, public_blob
from fleet.transport.target import Target
from fleet.transport.wire import Wire, remaining

_PUBLIC_KEY = "publickey"
_INTERACTIVE = "keyboard-interactive"


def log_in(wire: Wire, target: Target, keys: KeyStore, deadline: float) -> None:
    """Offer the keys asked for, then the agent's, then the default ones, then the password.

    Raises:
        AuthError: the host took none of them.
        HostError: the host fell silent or went away.
    """
    _Login(wire, target, keys, deadline).run()


@dataclass(slots=True)
class _Login:
    wire: Wire
    target: Target
    keys: KeyStore
    deadline: float
    tried: list[str] = field(default_factory=list)
    problems: list[KeyProblem] = field(default_factory=list)
    offered: set[bytes] = field(default_factory=set)
    allowed: tuple[str, ...] = ()
    """Methods the host named; empty where it has not said."""

    def run(self) -> None:
        for label, key in self._candidates():
            if not self._may(_PUBLIC_KEY):
                break
            if self._offer_key(label, key):
                return
        if self.target.password is not None and self._offer_password(self.target.password):
            return
        raise self._refused()

    def _may(self, method: str) -> bool:
        return not self.allowed or method in self.allowed

    def _candidates(self) -> Iterator[tuple[str, paramiko.PKey]]:
        yield from self._files(self.target.identity_files, asked_for=True)
        yield from self._agent_keys()
        yield from self._files(self.target.default_identities, asked_for=False)

    def _files(self, paths: tuple[str, ...], *, asked_for: bool) -> Iterator[tuple[str, paramiko.PKey]]:
        for path in paths:
            shown = printable(path, 200)
            try:
                yield f"key {shown}", self.keys.key(path, self.target.passphrase)
            except FileNotFoundError:
                if asked_for:
                    self.problems.append(KeyProblem(f"there is no key {shown}", "check the name of the key file"))
            except KeyProblem as problem:
                self.problems.append(problem)

    def _agent_keys(self) -> Iterator[tuple[str, paramiko.PKey]]:
        if self.target.agent is None:
            return
        try:
            found = self.keys.agent(self.target.agent).keys()
        except KeyProblem as problem:
            self.problems.append(problem)
            return
        wanted = {public_blob(path) for path in self.target.identity_files} if self.target.identities_only else None
        for key in found:
            if wanted is None or key.asbytes() in wanted:
                yield f"agent key {printable(key.comment)}", key

    def _offer_key(self, label: str, key: paramiko.PKey) -> bool:
        blob = key.public_blob.key_blob if key.public_blob else key.asbytes()
        if blob in self.offered:
            return False
        self.offered.add(blob)
        self.tried.append(label)
        return self._attempt(lambda done: self.wire.auth_publickey(self.target.user, key, done))

    def _offer_password(self, password: Secret) -> bool:
        if self._may("password"):
            self.tried.append("password")
            if self._attempt(
                lambda done: self.wire.auth_password(self.target.user, password.reveal(), done, fallback=False)
            ):
                return True
        if _INTERACTIVE not in self.allowed:
            return False
        self.tried.append(_INTERACTIVE)
        answer = _Answer(password)
        handler = AuthHandler(self.wire)

        def start(done: Event) -> None:
            self.wire.auth_handler = handler
            handler.auth_interactive(self.target.user, answer, done)

        if self._attempt(start):
            return True
        if answer.puzzled:
            self.problems.append(
                KeyProblem("it asks for more than a password", "log in with a key, which needs no second factor typed")
            )
        return False

    def _attempt(self, start: Callable[[Event], object]) -> bool:
        """Try one method; note what the host allows after it refused."""
        done = Event()
        try:
            start(done)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost(error) from error
        if not done.wait(remaining(self.deadline)):
            raise HostTimeoutError(
                self.target.name,
                f"{self.target.address} did not finish the login within {self.target.limits.auth:g} s",
                advice="see whether its PAM, LDAP or DNS (UseDNS) hangs; or raise the login limit",
            )
        if self.wire.is_authenticated():
            return True
        reason = self.wire.get_exception()
        if isinstance(reason, PartialAuthentication | paramiko.BadAuthenticationType):
            self.allowed = tuple(reason.allowed_types)
        elif reason is not None or not self.wire.is_active():
            raise self._lost(reason) from reason
        return False

    def _lost(self, error: BaseException | None) -> Exception:
        if len(self.tried) > 1:
            return AuthError(
                self.target.name,
                f"{self.target.address} ended the login after {self._what_was_tried()}",
                advice="sshd takes a few tries only (MaxAuthTries): name the right key with identity_files, "
                "or IdentityFile and IdentitiesOnly in ~/.ssh/config",
            )
        return host_error(self.target.name, "the login", error)

    def _what_was_tried(self) -> str:
        return ", ".join(self.tried)

    def _refused(self) -> AuthError:
        allowed = f"; it takes {printable(', '.join(self.allowed))}" if self.allowed else ""
        problems = "; ".join(problem.message for problem in self.problems)
        advice = "; ".join(dict.fromkeys(problem.advice for problem in self.problems))
        if not self.tried:
            return AuthError(
                self.target.name,
                f"there is nothing to log in to {self.target.address} with{': ' + problems if problems else ''}",
                advice=advice or "name a key with identity_files, start ssh-agent, or use --ask-pass",
            )
        return AuthError(
            self.target.name,
            f"{self.target.address} refused {self._what_was_tried()}{allowed}{'; ' + problems if problems else ''}",
            advice=advice or f"check the user name, and authorized_keys of {printable(self.target.user)} on the host",
        )


class _Answer:
    """Answers one prompt with the password, once: a second prompt asks for something else."""

    def __init__(self, password: Secret) -> None:
        self._password: Secret | None = password
        self.puzzled = False

    def __call__(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        del title, instructions
        if not prompts:
            return []
        if len(prompts) > 1 or self._password is None:
            self.puzzled = True
            return [""] * len(prompts)
        answer, self._password = self._password.reveal(), None
        return [answer]
