#!/bin/sh
# Dresses fresh namespaces up as a node and then runs a command in them:
#   unshare --mount --net --pid --uts --fork --mount-proc --kill-child sh node.sh COMMAND...
# Nothing outside of the namespaces changes: /etc, /usr/lib, /usr/local and /var/lib get a layer in memory.
set -eu

hostname node-1.example
printf systemd >/proc/self/comm
printf systemd >/proc/$$/comm
layers=/mnt
mount -t tmpfs tmpfs "$layers"
for tree in etc usr/lib usr/local var/lib; do
  mkdir -p "$layers/$tree/upper" "$layers/$tree/work"
  mount -t overlay overlay -o "lowerdir=/$tree,upperdir=$layers/$tree/upper,workdir=$layers/$tree/work" "/$tree"
done
mount -t tmpfs tmpfs /run

printf '0123456789abcdef0123456789abcdef\n' >/etc/machine-id
rm -rf /etc/sysctl.d /usr/lib/sysctl.d /etc/modprobe.d /usr/lib/modprobe.d /etc/modules-load.d /usr/local/lib/sysctl.d
mkdir -p /etc/sysctl.d /usr/lib/sysctl.d /usr/local/lib/sysctl.d /run/sysctl.d /etc/modprobe.d /etc/modules-load.d
printf 'net.ipv4.tcp_fin_timeout = 30\n' >/etc/sysctl.conf
ln -s ../sysctl.conf /etc/sysctl.d/99-sysctl.conf
ln -s /dev/null /etc/sysctl.d/50-masked.conf
ln -s nowhere /etc/sysctl.d/51-dangling.conf
ln -s 52-loop.conf /etc/sysctl.d/52-loop.conf
printf 'net.core.somaxconn = 128\n' >/usr/lib/sysctl.d/50-masked.conf
printf 'no line break at the end' >/etc/sysctl.d/60-unfinished.conf
printf 'a\000b\377\033[31m\r\n\n' >/etc/sysctl.d/61-bytes.conf
# shellcheck disable=SC2016 # a name that nobody may expand
printf 'vm.swappiness = 1\n' >'/etc/sysctl.d/62 with "blanks" $HOME *.conf'
printf 'vm.swappiness = 2\n' >'/etc/sysctl.d/63-two
lines.conf'
: >/etc/sysctl.d/64-empty.conf
mkdir /etc/sysctl.d/65-directory.conf
mkfifo /etc/sysctl.d/66-pipe.conf
printf 'vm.swappiness = 3\n' >/etc/sysctl.d/68-secret.conf
chmod 600 /etc/sysctl.d/68-secret.conf
printf 'ignored = 1\n' >/etc/sysctl.d/70-ignored.conf.bak
printf 'nf_conntrack\n' >/etc/modules-load.d/conntrack.conf
printf 'options nf_conntrack hashsize=65536\n' >/etc/modprobe.d/conntrack.conf
mkdir -p "/usr/lib/modules/$(uname -r)"
printf 'kernel/net/netfilter/nf_conntrack.ko\nkernel/net/netfilter/xt_conntrack.ko\nkernel/net/netfilter/nft-compat.ko\nkernel/net/netfilter/nf_tables.ko\n' \
  >"/usr/lib/modules/$(uname -r)/modules.builtin"

mkdir -p /etc/rancher/k3s/config.yaml.d /etc/systemd/system/k3s.service.d /etc/tuned /etc/ufw
cat >/etc/rancher/k3s/config.yaml <<'YAML'
# join with K10commented0secret
token: K10planted0secret::server:hunter2secret
datastore-endpoint: "mysql://root:hunter2secret@tcp(db:3306)/k3s"
etcd-s3-secret-key: wJalrplanted0secretEXAMPLEKEY
tls-san:
  - node-1.example # planted0secret
kube-proxy-arg:
  - conntrack-max-per-core=0
  - "conntrack-tcp-be-liberal=true" # planted0secret
protect-kernel-defaults: true
node-label: ["planted0secret=1"]
YAML
chmod 600 /etc/rancher/k3s/config.yaml
printf 'kube-proxy-arg+: ["proxy-mode=ipvs"]\n' >/etc/rancher/k3s/config.yaml.d/10-proxy.yaml
printf '[Service]\nType=notify\nEnvironment="K3S_TOKEN=planted0secret with blanks"\nExecStartPre=-/sbin/modprobe br_netfilter\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'"'--token' \\\\\n\t'planted0secret' \\\\\n\t'--kube-proxy-arg=conntrack-min=0' \\\\\n" \
  >/etc/systemd/system/k3s.service
printf '[Service]\nExecStartPre=/sbin/sysctl -w kernel.keys.root_maxkeys=1000000\n' \
  >/etc/systemd/system/k3s.service.d/10-sysctl.conf
# A profile that extends the one it hides, with what it includes, and one that nothing uses.
mkdir -p /etc/tuned/mine /usr/lib/tuned/mine /usr/lib/tuned/profiles/parent /usr/lib/tuned/unused
printf 'mine' >/etc/tuned/active_profile
printf '[main]\ninclude = mine, -none ; parent # more\n[sysctl]\nnet.ipv4.tcp_fin_timeout=20\n' >/etc/tuned/mine/tuned.conf
printf '[sysctl]\nnet.core.somaxconn=>2048\n[script]\npassword=planted0secret\n' >/usr/lib/tuned/mine/tuned.conf
printf '[sysctl]\nvm.swappiness=5\n' >/usr/lib/tuned/profiles/parent/tuned.conf
printf '[sysctl]\nvm.swappiness=6\n' >/usr/lib/tuned/unused/tuned.conf
printf 'reapply_sysctl = 0\n' >/etc/tuned/tuned-main.conf
printf 'ENABLED=yes\nLOGLEVEL=low\n' >/etc/ufw/ufw.conf
printf '# IPT_SYSCTL=/etc/other\nIPT_SYSCTL="/etc/ufw/own.conf"\n' >/etc/default/ufw
printf 'net/ipv4/tcp_fin_timeout=25\n' >/etc/ufw/own.conf
mkdir -p /etc/docker /etc/systemd/network/10-uplink.network.d
printf '{"icc": false, "ip-forward": true, "proxies": {"http-proxy": "http://u:planted0secret@p"}}\n' >/etc/docker/daemon.json
printf '[Match]\nName=eth0\n[Network]\nIPForward=ipv4\nDHCP=yes\n[WireGuard]\nPrivateKey=planted0secret\n' \
  >/etc/systemd/network/10-uplink.network
printf '[Network]\n# planted0secret\nIPMasquerade=no\n' >/etc/systemd/network/10-uplink.network.d/a.conf
printf '[Network]\nIPv4Forwarding=no\n' >/etc/systemd/networkd.conf
printf 'net.naming-scheme=v252 planted0secret=1 nf_conntrack.hashsize=65536 modules_load=nf_conntrack sysctl.vm.swappiness=7\n' \
  >"$layers/cmdline"
mount --bind "$layers/cmdline" /proc/cmdline
mkdir -p /var/lib/rancher/rke2/data/v1.28.3-rke2r2-0a1b2c3d4e5f/bin
ln -s /var/lib/rancher/rke2/data/v1.28.3-rke2r2-0a1b2c3d4e5f/bin /var/lib/rancher/rke2/bin
mkdir -p /var/lib/kube-proxy
mkdir -m 700 /var/lib/kubelet
printf 'kind: KubeletConfiguration\nprotectKernelDefaults: true\nstaticPodURLHeader: {a: planted0secret}\n' >/var/lib/kubelet/config.yaml
printf 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\nclientConnection:\n  kubeconfig: planted0secret\nconntrack:\n  maxPerCore: 0\n' \
  >/var/lib/kube-proxy/config.conf

# Processes that look as the real ones do: a shell that runs a script named as the first argument.
mkdir "$layers/bin"
mkfifo "$layers/never"
for word in server run networkd; do
  # One pipe each: a second reader of the same pipe could see the first writer close it.
  mkfifo "$layers/ready-$word"
  # shellcheck disable=SC2016 # for the script to expand
  printf 'printf "%%s" "$COMM" >/proc/$$/comm; unset COMM; echo >%s; read -r never <%s\n' \
    "$layers/ready-$word" "$layers/never" >"$layers/bin/$word"
done
cd "$layers/bin"
mkdir "/etc/k3s.yaml.d"
printf 'token: planted0secret\nrootless: false\n' >/etc/k3s.yaml
printf 'disable-agent: false\nagent-token: planted0secret\n' >/etc/k3s.yaml.d/10-a.yaml
K3S_TOKEN=planted0secret K3S_CONFIG_FILE=/etc/k3s.yaml COMM=k3s-server bash -c 'exec -a /usr/local/bin/k3s dash server --token planted0secret --kube-proxy-arg=conntrack-min=0 \
  --datastore-endpoint=mysql://root:planted0secret@db/k3s' &
read -r _ <"$layers/ready-server"
COMM=kube-proxy bash -c 'exec -a /usr/local/bin/kube-proxy dash run --config=/var/lib/kube-proxy/config.conf' &
read -r _ <"$layers/ready-run"
proxy=$!
COMM=systemd-network bash -c 'exec -a /usr/lib/systemd/systemd-networkd dash networkd' &
read -r _ <"$layers/ready-networkd"
cd /

# The container of kube-proxy, as containerd notes it.
id=$(printf '%064d' 7)
mkdir -p "/run/containerd/io.containerd.runtime.v2.task/k8s.io/$id"
printf '{"process":{"env":["TOKEN=planted0secret"]},"annotations":{"io.kubernetes.cri.container-name":"kube-proxy","io.kubernetes.cri.image-name":"registry.example/kube-proxy:v1.28.2","io.kubernetes.cri.sandbox-id":"a"}}' \
  >"/run/containerd/io.containerd.runtime.v2.task/k8s.io/$id/config.json"
printf '12:pids:/\n0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-%s.scope\n' "$id" >"$layers/cgroup"
mount --bind "$layers/cgroup" "/proc/$proxy/cgroup"

ip link set lo up
if command -v iptables-nft >/dev/null; then
  iptables-nft -N KUBE-FORWARD
  iptables-nft -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
fi
# Not exec: this shell is process 1, and a process 1 of another name would be another node.
"$@"
