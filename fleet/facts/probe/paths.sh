# shellcheck shell=sh disable=SC2154 # processes.sh sets $networkd
# Which files decide what becomes of the kernel's settings. The probe reads them; the checker of on-node mode watches them.

# Calls a function with every path that may be there, the given ones among them.
# with_config_paths FUNCTION PATH...
with_config_paths() {
  then=$1
  shift
  os_release=/etc/os-release
  [ -r "$os_release" ] || os_release=/usr/lib/os-release
  # The named directories tell a file that is not there from one that may not be seen.
  set -- /etc/sysctl.conf /etc/modules /etc/ufw /etc/ufw/sysctl.conf /etc/ufw/ufw.conf /etc/default/ufw \
    /etc/machine-id /etc/tuned/active_profile "$os_release" /proc/cmdline /etc/init.d/sysctl \
    /etc/docker /etc/docker/daemon.json /var/lib/kubelet /var/lib/kubelet/config.yaml /etc/rancher \
    /var/lib/rancher/rke2/bin "$@"
  for base in /etc/rancher/k3s /etc/rancher/rke2; do
    set -- "$@" "$base" "$base/config.yaml" "$base/config.yaml.d" "$base"/config.yaml.d/*.y*ml
  done
  for base in /var/lib/rancher /var/lib/rancher/k3s/agent /var/lib/rancher/rke2/agent; do
    set -- "$@" "$base" "$base/etc/kubelet.conf.d" "$base"/etc/kubelet.conf.d/*.conf
  done
  for base in /etc /run /usr/local/lib /usr/lib /lib; do
    # Where /lib is a link to /usr/lib, its trees were read already.
    [ "$base" = /lib ] && [ -L /lib ] && set -- "$@" /lib && continue
    for tree in sysctl.d modules-load.d modprobe.d; do
      set -- "$@" "$base/$tree" "$base/$tree"/*.conf
    done
    for unit in kubelet k3s k3s-agent rke2-server rke2-agent containerd; do
      unit=$base/systemd/system/$unit.service
      set -- "$@" "$unit" "$unit.d" "$unit.d"/*.conf
    done
    [ -n "$networkd" ] || continue
    set -- "$@" "$base/systemd/networkd.conf" "$base/systemd/networkd.conf.d"/*.conf "$base/systemd/network" \
      "$base/systemd/network"/*.network "$base/systemd/network"/*.network.d/*.conf
  done
  "$then" "$@"
}
