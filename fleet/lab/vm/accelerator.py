"""Whether KVM works here, which the presence of /dev/kvm does not tell."""

import os
import subprocess
from pathlib import Path

from fleet.lab.vm.model import Accelerator
from fleet.lab.vm.qemu import PROGRAM, trial_command

# With KVM the trial takes less than two seconds; in a cloud's own machine it may hang for ever.
_TRIED_WITHIN = 10.0
_LAST_WORDS = b"Kernel panic - not syncing: VFS: Unable to mount root fs"
KVM = Path("/dev/kvm")
"""What says that KVM may be there, and no more."""


def choose_accelerator(image: Path) -> Accelerator:
    """KVM where the image's kernel boots with it, else software emulation.

    The answer is kept beside the image for as long as neither QEMU nor this machine's kernel has changed.
    """
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "tcg"
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, check=True, text=True).stdout  # noqa: S603 - found along PATH like all our tools
    question = f"{version}{os.uname().release} {os.uname().version} {os.uname().nodename}\n"
    answers: dict[str, Accelerator] = {f"{question}kvm\n": "kvm", f"{question}tcg\n": "tcg"}
    kept = image / "accelerator"
    known = answers.get(kept.read_text()) if kept.exists() else None
    if known is None:
        known = "kvm" if _boots_with_kvm(image / "vmlinuz") else "tcg"
        kept.write_text(f"{question}{known}\n")
    return known


def _boots_with_kvm(kernel: Path) -> bool:
    try:
        result = subprocess.run(  # noqa: S603 - arguments of ours
            trial_command("kvm", kernel),
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_TRIED_WITHIN,
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0 and _LAST_WORDS in result.stdout
