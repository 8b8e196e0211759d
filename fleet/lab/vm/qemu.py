"""The command lines of QEMU.

The kernel finds its disk without an initrd, because Debian's cloud kernel has the drivers of NVMe and ext4 built in.
The network is QEMU's own in user mode, restricted: nothing gets out of the machine, and in comes only what connects to
its port of the loopback interface. https://www.qemu.org/docs/master/system/invocation.html
"""

from pathlib import Path

from fleet.lab.vm.model import LOOPBACK, Accelerator, Machine
from fleet.lab.vm.record import MachinePaths, VmRecord

PROGRAM = "qemu-system-x86_64"

# A translation buffer of 128 MiB: the default takes 1 GiB a machine and gains nothing.
_ACCELERATORS = {"kvm": "kvm", "tcg": "tcg,thread=multi,tb-size=128"}
_PROCESSORS = {"kvm": "host", "tcg": "max"}
_BARE = ("-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none")
# What costs time in emulation, and guards a machine that nobody attacks.
_QUICK = "quiet loglevel=3 systemd.show_status=0 nokaslr mitigations=off init_on_alloc=0"
# Now and then an emulated disk does not answer for minutes, and the kernel finds no root: it is to try again. From then
# on kernel.panic is what it would be without.
_AGAIN = "panic=1 sysctl.kernel.panic=0"


def machine_command(
    record: VmRecord, machine: Machine, place: MachinePaths, *, machine_id: str, authorized_key: Path
) -> list[str]:
    """Starts a machine, and returns when its port is open and the machine goes on by itself.

    Args:
        machine_id: 32 hexadecimal digits.
        authorized_key: the public key that the machine is to accept.
    """
    image = Path(record.image)
    forward = f"hostfwd=tcp:{LOOPBACK}:{machine.port}-:22"
    names = f"systemd.hostname={machine.name} systemd.machine_id={machine_id}"
    return [
        PROGRAM,
        *_hardware(record.accelerator, record.memory_mib, record.cores),
        *_boot(image / "vmlinuz", f"root=/dev/nvme0n1 rw console=ttyS0 net.ifnames=0 {_QUICK} {_AGAIN} {names}"),
        # Writeback: what the machine has flushed survives the end of QEMU, as it survives a power cut.
        *("-drive", f"if=none,id=disk,format=qcow2,cache=writeback,file={_escaped(place.disk)}"),
        *("-device", "nvme,serial=lab,drive=disk"),
        *("-netdev", f"user,id=net,restrict=on,{forward}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-fw_cfg", f"name=opt/fleet/host_key,file={_escaped(place.host_key)}"),
        *("-fw_cfg", f"name=opt/fleet/authorized_key,file={_escaped(authorized_key)}"),
        *("-chardev", f"file,id=console,append=on,path={_escaped(place.console)}"),
        *("-serial", "chardev:console"),
        "-daemonize",
    ]


def trial_command(accelerator: Accelerator, kernel: Path) -> list[str]:
    """Boots a kernel that finds no disk: it tells so on the standard output, and QEMU ends with 0."""
    hardware = _hardware(accelerator, 256, 1)
    return [PROGRAM, *hardware, *_boot(kernel, "console=ttyS0 panic=-1"), "-no-reboot", "-serial", "stdio"]


def overlay_command(image: Path, disk: Path) -> list[str]:
    """Makes a disk that holds only what differs from the image."""
    return ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image / "disk.img"), str(disk)]


def _hardware(accelerator: Accelerator, memory_mib: int, cores: int) -> list[str]:
    return [
        *_BARE,
        *("-machine", "q35,sata=off", "-accel", _ACCELERATORS[accelerator], "-cpu", _PROCESSORS[accelerator]),
        *("-m", str(memory_mib), "-smp", str(cores)),
    ]


def _boot(kernel: Path, arguments: str) -> list[str]:
    return ["-kernel", str(kernel), "-append", arguments]


def _escaped(path: Path) -> str:
    """A path as QEMU's options want it, where a comma ends a value."""
    return str(path).replace(",", ",,")
