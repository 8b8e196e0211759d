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
_BUILT_WITHIN = 1200.0
_DRAFT = "draft-"
_LAST_LINES = 5
_LINE_LENGTH = 300


def image_for(release: Release) -> Path:
    """The folder of the image with ``disk.img`` and ``vmlinuz``, built from the release's packages if need be.

    Raises:
        LabError: this machine cannot build it, or a step fails, such as reaching the packages.
    """
    cache = cache_directory()
    image = cache / f"{release}-{_fingerprint(release)}"
    if image.is_dir():
        return image
    require(missing_to_build())
    with exclusively(cache):
        # Somebody else may have built it while we waited.
        if not image.is_dir():
            _remove_drafts(cache)
            _build(release, image)
    return image


def _fingerprint(release: Release) -> str:
    parts = [release, *_PACKAGES, *_OPTIONS]
    parts += [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in sorted(_RECIPE.iterdir())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _remove_drafts(cache: Path) -> None:
    """Removes what a killed command left; only who holds the lock may do this."""
    for draft in cache.glob(f"{_DRAFT}*"):
        shutil.rmtree(draft)


def _build(release: Release, image: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=image.parent) as folder:
        draft = Path(folder)
        tree, disk, kernel = draft / "root.tar", draft / "image" / "disk.img", draft / "image" / "vmlinuz"
        disk.parent.mkdir()
        customize = f"--customize-hook=sh '{_RECIPE}/customize.sh' \"$1\""
        _run(["mmdebstrap", *_OPTIONS, f"--include={','.join(_PACKAGES)}", customize, release, str(tree)], draft)
        as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
        _run([*as_root, "sh", str(_RECIPE / "disk.sh"), str(tree), str(disk), str(kernel)], draft)
        # Machines only ever write to their overlays.
        disk.chmod(0o444)
        disk.parent.rename(image)


def _run(command: Sequence[str], draft: Path) -> None:
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C", "TMPDIR": str(draft)}
    proxies = {name: value for name, value in os.environ.items() if name.lower() in {"http_proxy", "https_proxy"}}
    try:
        result = subprocess.run(  # noqa: S603 - arguments of ours
            command,
            capture_output=True,
            check=False,
            env=environment | proxies,
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
