"""Images of installed systems: each built once, and kept under a hash of everything that went into it."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fleet.lab.requirements import require
from fleet.lab.vm.cache import cache_directory, exclusively
from fleet.lab.vm.model import Release
from fleet.lab.vm.requirements import SEARCH_PATH, missing_to_build
from fleet.model.errors import LabError
from fleet.model.text import printable

_RECIPE = Path(__file__).with_name("image")
_PACKAGES = (
    "systemd-sysv",
    "dbus",
    "udev",
    "openssh-server",
    "sudo",
    "iproute2",
    "procps",
    "kmod",
    "iptables",
    "nftables",
    "conntrack",
    "ipvsadm",
    "python3",
)
_OPTIONS = (
    "--quiet",
    "--variant=minbase",
    '--aptopt=Apt::Install-Recommends "false"',
    # What is not whole after a failure is thrown away.
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)
# mmdebstrap asks for the home; the proxies lead to the packages.
_KEPT_VARIABLES = frozenset({"HOME", "TMPDIR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"})
_BUILT_WITHIN = 1200.0
_LAST_LINES = 5
_LINE_LENGTH = 300


def image_for(release: Release) -> Path:
    """The folder of the image with ``disk.img`` and ``vmlinuz``, built from the release's packages if need be.

    Raises:
        LabError: this machine cannot build it, or a step fails, such as reaching the packages.
    """
    cache = cache_directory()
    image = cache / f"{release}-{fingerprint(release)}"
    if image.is_dir():
        return image
    require(missing_to_build())
    with exclusively(cache / f"{release}.lock"):
        # Somebody else may have built it while we waited.
        if not image.is_dir():
            _build(release, image)
    return image


def fingerprint(release: Release) -> str:
    """Changes with everything that goes into an image but the packages' versions."""
    parts = [release, *_PACKAGES, *_OPTIONS]
    parts += [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in sorted(_RECIPE.iterdir())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _as_root(*command: str) -> list[str]:
    """A command to run as root, or as the root of a user namespace: it may own what is installed, and remove it."""
    return [*command] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto", *command]


def _build(release: Release, image: Path) -> None:
    # Also what a killed command left: whoever holds the release's lock is the only one at work on it.
    prefix = f"draft-{release}-"
    drafts = [str(draft) for draft in image.parent.glob(f"{prefix}*")]
    draft = Path(tempfile.mkdtemp(prefix=prefix, dir=image.parent))
    try:
        _install(release, draft / "root.tar")
        (draft / "image").mkdir()
        disk, kernel = draft / "image" / "disk.img", draft / "image" / "vmlinuz"
        _run(_as_root("sh", str(_RECIPE / "disk.sh"), str(draft / "root.tar"), str(disk), str(kernel)))
        # Machines only ever write to their overlays.
        disk.chmod(0o444)
        disk.parent.rename(image)
    finally:
        _run(_as_root("rm", "-rf", str(draft), *drafts))


def _install(release: Release, tree: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-recipe-") as recipe:
        # The root of mmdebstrap's user namespace is nobody here, and sees neither our home nor what is below it.
        Path(recipe).chmod(0o755)
        shutil.copytree(_RECIPE, recipe, dirs_exist_ok=True)
        customize = f"--customize-hook=sh '{recipe}/customize.sh' \"$1\""
        _run(["mmdebstrap", *_OPTIONS, f"--include={','.join(_PACKAGES)}", customize, release, str(tree)])


def _run(command: Sequence[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
    try:
        result = subprocess.run(  # noqa: S603 - arguments of ours
            command,
            capture_output=True,
            check=False,
            env={**kept, "PATH": SEARCH_PATH, "LC_ALL": "C"},
            errors="replace",
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_BUILT_WITHIN,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"building an image took longer than {_BUILT_WITHIN:.0f} s, and was given up") from error
    if result.returncode != 0:
        last = result.stderr.splitlines()[-_LAST_LINES:]
        said = "\n".join(f"  {printable(line, _LINE_LENGTH)}" for line in last)
        raise LabError(f"building an image failed: {command[0]} ended with {result.returncode}\n{said}")
