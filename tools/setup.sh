#!/bin/sh
# Prepares this machine: `setup.sh system` for the programs that the lab needs, `setup.sh vm` for those that its machines
# need, `setup.sh browser` for the one that the tests of the report page need, `setup.sh promtool DIR` for the one that
# checks the alert rules, `setup.sh venv DIR` for Python packages, `setup.sh second-opinions DIR` for those that judge the
# same machines as fleet does, `setup.sh peers DIR` for the tools that fleet is measured beside.
set -eu

# Ubuntu has no packages of it, only a snap; there the tests look for any Chromium or Chrome with its driver.
BROWSER='chromium:chromium chromium-driver:chromedriver'

say() { printf 'setup: %s\n' "$*" >&2; }

# Debian and Ubuntu packages, each with a program that it brings.
PACKAGES='openssh-server:sshd openssh-client:ssh iproute2:ip util-linux:unshare iptables:iptables nftables:nft sudo:sudo
opendoas:doas busybox:busybox kmod:modprobe procps:sysctl systemd:/usr/lib/systemd/systemd-sysctl gawk:gawk mawk:mawk tcpdump:tcpdump
conntrack:conntrack python3-venv:'

PACKAGES_VM='qemu-system-x86:qemu-system-x86_64 qemu-utils:qemu-img mmdebstrap:mmdebstrap e2fsprogs:mke2fs uidmap:newuidmap
openssh-client:ssh util-linux:unshare'

has_program() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

has_venv() { python_command >/dev/null && "$(python_command)" -c 'import ensurepip' >/dev/null 2>&1; }

missing_packages() {
    for entry in $1; do
        package=${entry%%:*} program=${entry#*:}
        if [ -z "$program" ]; then
            has_venv || printf '%s ' "$package"
        else
            has_program "$program" || printf '%s ' "$package"
        fi
    done
}

python_command() {
    for python in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

# A package's service must not start just because the package was installed: policy-rc.d is Debian's way to say so.
install_packages() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get -qq update >&2
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $1 >/dev/null
}

system() { packages "$PACKAGES" 'the lab'; }

vm() { packages "$PACKAGES_VM" 'the machines of the lab'; }

browser() {
    if grep -qx 'ID=debian' /etc/os-release; then
        packages "$BROWSER" 'the tests of the report page'
    fi
}

# Its package also has a server that would run from the next boot on: so only this one file is taken out of it.
promtool_into() {
    if has_program promtool || [ -x "$1/promtool" ]; then
        return 0
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        say 'no apt-get on this machine, so the alert rules are tested only if you install promtool (of Prometheus)'
        return 0
    fi
    say "putting promtool into $1"
    [ "$(id -u)" -ne 0 ] || apt-get -qq update >&2
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    (cd "$folder" && apt-get -qq download prometheus >/dev/null 2>&1 && dpkg-deb --extract prometheus_*.deb .) || {
        say 'the package prometheus cannot be had, so the alert rules are not tested'
        return 0
    }
    install -m 755 "$folder/usr/bin/promtool" "$1/promtool"
}

packages() {
    missing=$(missing_packages "$1")
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        say "not root, so nothing is installed. Missing for $2: $missing"
        say "install them with: sudo apt-get install --no-install-recommends $missing"
    elif ! command -v apt-get >/dev/null 2>&1; then
        say "no apt-get on this machine. Missing for $2 (Debian's names): $missing"
    else
        say "installing system packages, without starting any service: $missing"
        install_packages "$missing"
    fi
}

venv() {
    if ! python=$(python_command); then
        say 'Python 3.11 or newer is needed; set PYTHON to one'
        exit 1
    fi
    if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        system "$PACKAGES"
    fi
    say "making $1 with $("$python" --version)"
    "$python" -m venv --clear "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --editable . --group dev
}

second_opinions() {
    [ -x "$1/bin/ansible-playbook" ] || "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
        --group second-opinions
}

peers() {
    python=$(python_command) || { say 'Python 3.11 or newer is needed; set PYTHON to one'; exit 1; }
    say "making $1 for the tools that fleet is measured beside"
    "$python" -m venv --clear "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
}

case ${1:-} in
    system) system ;;
    vm) vm ;;
    browser) browser ;;
    promtool) promtool_into "${2:?directory}" ;;
    venv) venv "${2:?directory}" ;;
    second-opinions) second_opinions "${2:?directory}" ;;
    peers) peers "${2:?directory}" ;;
    *)
        say 'usage: setup.sh system | vm | browser | promtool DIR | venv DIR | second-opinions DIR | peers DIR'
        exit 2
        ;;
esac
