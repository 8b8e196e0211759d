"""Keys of the machine as a Kubernetes node: the kubelet's six, and limits of open files and watches."""

from fleet.kernel.key import Bounds, Default, Key, Kind
from fleet.kernel.sources import AKS, FS_DOC, KERNEL_DOC, KUBELET_SYSCTLS, VM_DOC

_INT_MAX = 2_147_483_647


def _key(name: str, at_least: int, at_most: int, default: Default, effect: str, *sources: str) -> Key:
    return Key(
        name=name,
        scope="host",
        kind=Kind.INT,
        bounds=Bounds(at_least=at_least, at_most=at_most, source=sources[0]),
        defaults=(default,),
        effect=effect,
        sources=sources,
    )


_KUBELET = (
    _key(
        "vm.overcommit_memory",
        0,
        2,
        Default(value="0"),
        "0 refuses obvious overcommits of memory, 1 never refuses, 2 counts strictly; the kubelet wants 1",
        VM_DOC,
        KUBELET_SYSCTLS,
    ),
    _key(
        "vm.panic_on_oom",
        0,
        2,
        Default(value="0"),
        "0 kills a process when memory runs out, 1 and 2 panic; the kubelet wants 0",
        VM_DOC,
        KUBELET_SYSCTLS,
    ),
    _key(
        "kernel.panic",
        -1,
        _INT_MAX,
        Default(value="0", note="a kernel may be built with another"),
        "seconds until the machine boots again after a panic, 0 never; the kubelet wants 10",
        KERNEL_DOC,
        KUBELET_SYSCTLS,
    ),
    _key(
        "kernel.panic_on_oops",
        0,
        1,
        Default(value=None, note="by the kernel's build"),
        "1 panics on an oops instead of going on in an unknown state; the kubelet wants 1",
        KERNEL_DOC,
        KUBELET_SYSCTLS,
    ),
    _key(
        "kernel.keys.root_maxkeys",
        1,
        _INT_MAX,
        Default(value="1000000"),
        "most keys that root may hold; each container takes one. The kubelet wants 1000000",
        "https://docs.kernel.org/security/keys/core.html",
        KUBELET_SYSCTLS,
    ),
    _key(
        "kernel.keys.root_maxbytes",
        1,
        _INT_MAX,
        Default(value="25000000"),
        "bytes of all keys that root may hold; the kubelet wants 25000000",
        "https://docs.kernel.org/security/keys/core.html",
        KUBELET_SYSCTLS,
    ),
)

_LIMITS = (
    _key(
        "fs.file-max",
        8_192,
        9_223_372_036_854_775_807,
        Default(value=None, note="by RAM, or no limit where systemd raised it"),
        "most open files of the whole machine",
        FS_DOC,
        AKS,
    ),
    _key(
        "fs.inotify.max_user_instances",
        128,
        _INT_MAX,
        Default(value="128"),
        "inotify instances of one user; all containers that run as one user share it",
        FS_DOC,
    ),
    _key(
        "fs.inotify.max_user_watches",
        8_192,
        _INT_MAX,
        Default(value=None, note="by RAM, 8192 to 1048576"),
        "inotify watches of one user; all containers that run as one user share it",
        FS_DOC,
        AKS,
    ),
)

NODE_KEYS = (*_KUBELET, *_LIMITS)
