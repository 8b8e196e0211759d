"""Takes secrets out of what a node says about itself, before anything else sees it.

Kubernetes configuration is kept by an allow-list of keys, because any other may hold a secret. Arguments and unit files
are kept but for the values of options whose name speaks of a secret.
"""

import json
import re

MASK = b"(masked)"

# Top-level keys of the k3s and RKE2 configuration, KubeletConfiguration and KubeProxyConfiguration that bear on the
# kernel: https://docs.k3s.io/installation/configuration,
# https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
_KEPT = frozenset(
    key + plus
    for key in (
        *(b"kube-proxy-arg", b"kubelet-arg", b"protect-kernel-defaults", b"disable-kube-proxy", b"flannel-backend"),
        *(b"service-node-port-range", b"cni", b"profile", b"disable-agent", b"rootless"),
        *(b"apiVersion", b"kind", b"mode", b"conntrack", b"ipvs", b"protectKernelDefaults"),
    )
    for plus in (b"", b"+")
)
# https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
_DOCKER = frozenset(
    {"ip-forward", "ip-forward-no-drop", "ip-masq", "iptables", "ip6tables", "icc", "userland-proxy", "ipv6"}
)
# https://www.freedesktop.org/software/systemd/man/latest/systemd.network.html
_NETWORK = frozenset(
    {
        *((b"Match", key) for key in (b"Name", b"Kind", b"Type", b"Driver")),
        *((b"Network", key) for key in (b"IPForward", b"IPMasquerade", b"IPv4Forwarding", b"IPv6Forwarding")),
    }
)
_SECTION = re.compile(rb"\[([A-Za-z0-9]{1,64})\]")
# https://docs.kernel.org/admin-guide/kernel-parameters.html and systemd-sysctl.service(8)
_PARAMETER = re.compile(
    rb"(?:rd\.)?modules[-_]load=[\w,.-]*+|(?:module_|modprobe\.)blacklist=[\w,.-]*+"
    rb"|sysctl\.[\w.*/-]++=[\w.,:-]*+|(?:nf_conntrack|ip_vs|br_netfilter)\.\w++=\w*+"
)
# The beginning of all that may be such a parameter, in quotes or not: to the kernel and to systemd - and _ are one.
_PARAMETER_NAME = re.compile(
    rb"modules[-_]load=|module[-_]blacklist=|modprobe\.blacklist=|sysctl\.|(?:nf[-_]conntrack|ip[-_]vs|br[-_]netfilter)\."
)
_KEY = re.compile(rb"([\w.+-]+|\"[\w.+-]+\"|'[\w.+-]+')[ \t]*:(?=\s|$)")
# A quote opens a string only at the start of a YAML value, elsewhere it is an apostrophe; "#" starts a comment only
# after a blank.
_STRING_OR_COMMENT = re.compile(
    rb"""(?:(?<=[\s\[{,])|^)(?:"[^"\\]*+(?:\\.[^"\\]*+)*"|'[^']*+')|(?:(?<=\s)|^)#""", re.DOTALL
)

# Text of a node must not be able to make a pattern slow: a repeat is possessive, or its alternatives begin differently.
# Only single characters repeat possessively: Python before 3.11.5 gets groups wrong there, and left parts of secrets
# unmasked. https://github.com/python/cpython/issues/106052
_SENSITIVE = rb"(?:token|pass|secret|key|endpoint|credential|bearer)"
_HINT = re.compile(_SENSITIVE + rb"|://|(?<![\w-])-t", re.IGNORECASE)
# The sysctl keys kernel.keys.* are about limits, not secrets.
_NAME = rb"(?<![\w./-])(?=[\w./-]*" + _SENSITIVE + rb")(?!-*kernel[./]keys[./])[\w./-]++"
_ASSIGN = rb"[\"']?[ \t]*+[=:][ \t]*+"
_WORD = rb"(?!\(masked\))(?:\"[^\"\\]*+(?:\\.[^\"\\]*+)*\"|'[^']*+'|\\[^\r\n]|[^\s\\])+"
_QUOTED = re.compile(
    rb"(?<!\\)([\"'])(" + _NAME + rb"=)((?:\\.|(?!\1)[^\\])*)(?=\1)",
    re.IGNORECASE | re.DOTALL,
)
_ASSIGNED = re.compile(rb"(" + _NAME + _ASSIGN + rb")(" + _WORD + rb")", re.IGNORECASE | re.DOTALL)
_REST = re.compile(rb"(" + _NAME + _ASSIGN + rb").+", re.IGNORECASE | re.DOTALL)
_OPTION = rb"(?<![\w./-])(?:(?=--?[\w./-]*" + _SENSITIVE + rb")[\w./-]++|-t(?![\w./-]))[\"']?"
_SEPARATE = re.compile(
    rb"(" + _OPTION + rb"(?:[ \t]|\\\r?\n)+)(?![\"']?--)(" + _WORD + rb")", re.IGNORECASE | re.DOTALL
)
_TAKES_NEXT = re.compile(_OPTION, re.IGNORECASE)
_CREDENTIAL = re.compile(rb"(?m)^([ \t]*+(?:Set|Load)Credential\w*+[ \t]*+=)((?:\\\r?\n|.)*)$")
_USERINFO = re.compile(rb"(://)[^/\s\"']*@")


def mask_yaml(content: bytes) -> bytes:
    """Keep the allowed top-level keys with their values, line by line; every other value becomes ``(masked)``.

    What comments say goes too. A file that is not a block of keys (such as JSON) is masked as a whole. The result has
    the same line numbers and is YAML again.
    """
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith((b"#", b"---"))), b"")
    root = len(first) - len(first.lstrip(b" "))
    masked = []
    keep = False
    for line in lines:
        bare = line.strip()
        indent = len(line) - len(line.lstrip(b" "))
        if not bare or bare == b"---":
            masked.append(bare)
        elif indent > root or (indent == root and bare.startswith((b"- ", b"\t"))) or bare == b"-":
            masked.append(_without_comment(line) if keep else b"")
        elif bare.startswith(b"#"):
            masked.append(b"#")
        else:
            key = _KEY.match(line, root)
            keep = indent == root and key is not None and key[1].strip(b"\"'") in _KEPT
            if keep:
                masked.append(_without_comment(line))
            else:
                masked.append(line[: key.end()] + b" " + MASK if key and indent == root else b"# " + MASK)
    return b"\n".join(masked)


def mask_json(content: bytes) -> bytes:
    """Keep the switches of dockerd that bear on the network; what is no JSON object is masked as a whole."""
    try:
        settings = json.loads(content)
    except (ValueError, RecursionError):
        return MASK
    if not isinstance(settings, dict):
        return MASK
    return json.dumps(
        {name: value for name, value in settings.items() if name in _DOCKER and isinstance(value, bool)}
    ).encode()


def mask_ini(content: bytes) -> bytes:
    """Keep what tells which interfaces a .network file is about and whether they forward; line numbers stay."""
    masked = []
    section = b""
    continued = False
    for line in content.split(b"\n"):
        bare = line.strip()
        if not continued and (header := _SECTION.fullmatch(bare)):
            section = header[1]
            masked.append(bare)
        elif continued or not bare or bare.startswith((b"#", b";")):
            masked.append(b"")
        else:
            name, _, value = (part.strip() for part in bare.partition(b"="))
            kept = (section, name) in _NETWORK and not value.endswith(b"\\")
            masked.append(b"%s=%s" % (name, value) if kept else b"# " + MASK)
        # A comment between the lines of a value does not end it.
        continued = bare.endswith(b"\\") if not bare.startswith((b"#", b";")) else continued
    return b"\n".join(masked)


def mask_command_line(content: bytes) -> bytes:
    """Keep the kernel's parameters about modules and sysctl keys.

    Of one whose value is of no known form the name is kept, so that a word that is masked as a whole is none of them.
    """
    return b" ".join(map(_mask_parameter, content.split())) + b"\n"


def _mask_parameter(word: bytes) -> bytes:
    if _PARAMETER.fullmatch(word):
        return word
    name = _PARAMETER_NAME.search(word)
    return MASK if name is None else name[0] + MASK


def mask_text(content: bytes) -> bytes:
    """Mask the values of options and variables whose name speaks of a secret, in a unit file or the like.

    Line numbers stay.
    """
    if not _HINT.search(content):
        return content
    content = _CREDENTIAL.sub(_mask_second, content)
    content = _QUOTED.sub(lambda m: m[1] + m[2] + MASK + b"\n" * m[3].count(b"\n"), content)
    content = _ASSIGNED.sub(_mask_second, content)
    content = _SEPARATE.sub(_mask_second, content)
    return _USERINFO.sub(rb"\1" + MASK + b"@", content)


def mask_arguments(arguments: list[bytes]) -> list[bytes]:
    """Mask the values of options whose name speaks of a secret, in the arguments of a process."""
    masked = []
    next_is_secret = False
    for argument in arguments:
        if next_is_secret and not argument.startswith(b"--"):
            masked.append(MASK)
            next_is_secret = False
            continue
        next_is_secret = _TAKES_NEXT.fullmatch(argument) is not None
        masked.append(mask_text(_REST.sub(rb"\1" + MASK, argument)) if _HINT.search(argument) else argument)
    return masked


def _mask_second(match: re.Match[bytes]) -> bytes:
    return match[1] + MASK + b"\n" * match[2].count(b"\n")


def _without_comment(line: bytes) -> bytes:
    comment = next((token for token in _STRING_OR_COMMENT.finditer(line) if token[0] == b"#"), None)
    return mask_text(line[: comment.start()].rstrip() if comment else line)
