# shellcheck shell=sh disable=SC2154 # probe.sh sets $nonce and $head, host.sh $uid, processes.sh $networkd
# Configuration files.

# Records every entry of the configuration trees, then the contents of the regular files in the same order.
probe_files() {
  frame files
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
  index=0
  count=0
  wanted=
  for path in "$@"; do
    index=$((index + 1))
    if [ -L "$path" ]; then
      record "link $path"
      printf '%s=target ' "$nonce"
      readlink "$path"
    elif [ ! -e "$path" ]; then
      # Another user's process hides its files.
      case $path in /proc/*/root/*) [ "$uid" = 0 ] || record "unreadable $path" ;; esac
      continue
    fi
    count=$((count + 1))
    if [ "$count" -gt 500 ]; then
      record more
      break
    fi
    if [ -d "$path" ]; then
      if [ ! -r "$path" ] || [ ! -x "$path" ]; then
        record "unreadable $path"
      elif [ "${path%.conf}" != "$path" ]; then
        record "directory $path"
      fi
    elif [ ! -f "$path" ]; then
      # A link to nowhere or to a device was recorded as a link; a pipe or a device is never opened.
      [ -L "$path" ] || record "other $path"
    elif [ ! -r "$path" ]; then
      record "unreadable $path"
    elif [ ! -s "$path" ] && [ "$path" != /proc/cmdline ]; then
      record "empty $path"
    else
      record "file $path"
      # The index into "$@", not the name: a name may hold blanks, quotes and line breaks.
      wanted="$wanted \"\${$index}\" /proc/self/environ"
    fi
  done
  frame texts
  eval "set -- $wanted"
  [ $# -eq 0 ] || env -i "$nonce=" "$head" -q -c 262145 "$@" | head -c 4194304
}
