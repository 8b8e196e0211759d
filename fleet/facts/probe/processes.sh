# shellcheck shell=sh disable=SC2034 # files.sh reads $networkd
# Processes that write kernel settings, and what they were told to read. Sets for the others:
#
#   pids      their numbers
#   configs   the configuration files that they were told to read, and patterns of such
#   networkd  1 where systemd-networkd runs, else empty

# Leaves in $value what the words of a text give to an option; the last one counts.
# option_in TEXT NAME...
option_in() {
  words=$1
  shift
  value=
  take=
  set -f
  for word in $words; do
    [ -z "$take" ] || value=$word
    take=
    for option in "$@"; do
      case $word in
        "$option") take=1 ;;
        "$option"=*) value=${word#*=} ;;
      esac
    done
  done
  set +f
}

# Leaves in $value the file that k3s or RKE2 is told to read in place of its own: by its environment, its unit, or its
# arguments, of which it hides most while it runs. Quotes and backslashes count as blanks.
# rancher_config PID k3s|rke2
rancher_config() {
  option_in "$(head -q -c 65536 "/proc/$1/environ" /usr/lib/systemd/system/"$2"*.service \
    /usr/local/lib/systemd/system/"$2"*.service /etc/systemd/system/"$2"*.service \
    /etc/systemd/system/"$2"*.service.d/*.conf "/proc/$1/cmdline" | tr '\000\042\047\134' '\n   ')" \
    --config K3S_CONFIG_FILE RKE2_CONFIG_FILE
}

# Records the image of a process in a container, which containerd and CRI-O note in the bundle of the container.
# process_image PID
process_image() {
  while read -r line; do
    # cri-containerd-ID.scope, crio-ID.scope, or ID alone
    id=${line##*/}
    id=${id%.scope}
    id=${id##*[:-]}
    case $id in
      *[!0-9a-f]*) continue ;;
    esac
    [ ${#id} -eq 64 ] || continue
    for path in /run/containerd/io.containerd.runtime.v2.task/k8s.io/$id \
      /run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/$id \
      /run/containers/storage/overlay-containers/$id/userdata; do
      [ -r "$path/config.json" ] || continue
      # Only this: the environment of a container, in the same file, may hold secrets.
      image=$(grep -o '"io\.kubernetes\.cri\(\.image-name\|-o\.ImageName\)": *"[^"]*"' "$path/config.json" | head -c 1024)
      held="$held
image ${image%%
*}"
      return
    done
  done <"/proc/$1/cgroup"
}

# Processes known to write kernel settings. Leaves their numbers in $pids, the configuration files that they were told
# to read in $configs, and in $networkd whether systemd-networkd runs.
probe_processes() {
  frame processes
  pids=
  configs=
  networkd=
  found=0
  for path in /proc/[0-9]*/comm; do
    read -r name <"$path" || continue
    case $name in
      kubelet | kubelite | kube-proxy | kube-router | k3s | k3s-* | rke2 | rke2-* | k0s) ;;
      cilium-agent | calico-node | flanneld | antrea-agent | dockerd | containerd) ;;
      tuned | systemd-network | NetworkManager | wicked*) ;;
      *) continue ;;
    esac
    pid=${path#/proc/}
    pid=${pid%/comm}
    # One in another network namespace, such as that of a node of kind, writes the settings of that one.
    [ -e "/proc/$pid/ns/net" ] && ! [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ] && continue
    found=$((found + 1))
    if [ "$found" -gt 200 ]; then
      record more
      break
    fi
    pids="$pids $pid"
    record "$pid $name"
    value=
    root=
    drop_ins=
    case $name in
      kube-proxy)
        process_image "$pid"
        option_in "$(tr '\0' '\n' <"/proc/$pid/cmdline")" --config
        # It is in a container as a rule, and names the file as it sees it there.
        root=/proc/$pid/root
        ;;
      kubelet) option_in "$(tr '\0' '\n' <"/proc/$pid/cmdline")" --config ;;
      k3s | k3s-* | rke2 | rke2-*)
        rancher_config "$pid" "${name%%-*}"
        # The pattern is expanded where the files are read.
        drop_ins="$value.d/*.y*ml"
        ;;
      systemd-network) networkd=1 ;;
    esac
    [ -z "$value" ] || held="$held
config $root$value"
    case $value in
      *[!A-Za-z0-9._/-]*) ;;
      /*) configs="$configs $root$value $drop_ins" ;;
    esac
  done
}
