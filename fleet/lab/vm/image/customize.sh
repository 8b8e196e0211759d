#!/bin/sh
# customize.sh ROOT: makes a freshly installed Debian below ROOT into the node of a lab. Called by mmdebstrap as root
# or as the root of a user namespace, with $MMDEBSTRAP_APT_CONFIG as the way to the suite's packages.
set -eu
root=$1
here=$(dirname "$0")

# The kernel's package alone: its dependencies would build an initrd, and these machines boot without one.
fetch_kernel() {
    packages=$(mktemp -d "$root/tmp/kernel.XXXXXX")
    (
        cd "$packages"
        export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
        kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/ Depends: linux-image/ { print $2 }')
        apt-get -qq download "$kernel"
        dpkg-deb -x "$kernel"_*.deb .
    )
    cp -a "$packages"/boot/vmlinuz-* "$root/boot/vmlinuz"
    mkdir -p "$root/usr/lib/modules"
    # Packages from before the merge of /lib and /usr/lib have the modules in /lib.
    cp -a "$packages"/*/modules/* "$packages"/usr/lib/modules/* "$root/usr/lib/modules" 2>/dev/null || true
    rm -rf "$packages"
    for modules in "$root"/usr/lib/modules/*; do
        chroot "$root" depmod "${modules##*/}"
    done
}

# Every machine gets its keys, its name and its machine-id from the lab that starts it, so the image holds none.
forget_identity() {
    rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf" "$root/etc/hostname"
    : >"$root/etc/resolv.conf"
    : >"$root/etc/machine-id"
    : >"$root/etc/fstab"
    # There is no DNS: sudo would wait 20 s for an answer about an unknown name.
    sed -i 's/^hosts:.*/hosts: files/' "$root/etc/nsswitch.conf"
}

add_operator() {
    chroot "$root" useradd --create-home --shell /bin/bash ops
    printf 'ops ALL=(ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/ops"
    chmod 440 "$root/etc/sudoers.d/ops"
    printf 'PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\nPrintMotd no\n' \
        >"$root/etc/ssh/sshd_config.d/lab.conf"
}

add_units() {
    install -m 755 "$here/node.sh" "$root/usr/local/sbin/lab-node"
    install -m 644 "$here/lab-node.service" "$here/lab-ready.service" "$root/etc/systemd/system/"
    chroot "$root" systemctl --quiet enable lab-node.service lab-ready.service
}

# What costs seconds in emulation and no test looks at. Everything about modules, sysctls, udev and timers stays.
leave_out() {
    chroot "$root" systemctl --quiet mask \
        getty.target getty@tty1.service serial-getty@ttyS0.service \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
        fstrim.timer logrotate.timer man-db.timer \
        systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
        systemd-pstore.service systemd-firstboot.service systemd-machine-id-commit.service systemd-binfmt.service \
        systemd-logind.service systemd-sysusers.service systemd-network-generator.service systemd-repart.service \
        systemd-fsck-root.service systemd-boot-system-token.service kmod-static-nodes.service \
        systemd-ask-password-wall.path systemd-ask-password-console.path \
        systemd-journal-catalog-update.service systemd-update-done.service systemd-udev-load-credentials.service \
        proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount \
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
        modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
        modprobe@loop.service modprobe@dm_mod.service ldconfig.service
    # These run at each boot and at each daemon-reload.
    mkdir -p "$root/etc/systemd/system-generators"
    for generator in bless-boot cryptsetup debug factory-reset getty gpt-auto hibernate-resume integritysetup rc-local \
        run ssh system-update tpm2 veritysetup; do
        ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
    done
    # Of the hardware only the network card is asked for its drivers: those of a processor for virtual machines and
    # ciphers test themselves for seconds.
    install -D -m 644 "$here/udev-trigger.conf" "$root/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf"
    # Its unit would set the timeouts of IPVS, and load ip_vs, before anything of ours.
    chroot "$root" systemctl --quiet disable ipvsadm.service || true
}

# For tools that check a node by a program of theirs. fleet needs none, so that it is not where a shell would find it.
hide_python() {
    mkdir "$root/opt/python"
    mv "$root"/usr/bin/python3* "$root/opt/python"
}

fetch_kernel
forget_identity
add_operator
add_units
leave_out
hide_python
