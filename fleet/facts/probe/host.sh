# shellcheck shell=sh disable=SC2034 # probe.sh reads $release
# Who answers. Sets for the others:
#
#   uid      the effective user
#   release  of the kernel, as uname -r prints it

# What is cheap to learn without a fork: lines of "NAME VALUE".
probe_host() {
  frame host
  uid=
  while read -r word first uid _; do
    [ "$word" = Uid: ] && break
  done </proc/self/status
  say "uid $uid"
  # shellcheck disable=SC2046 # two words are wanted
  set -- $(uname -rm)
  release=$1
  say "kernel $1"
  say "arch $2"
  while read -r word first _; do
    [ "$word" = MemTotal: ] && say "ram $first" && break
  done </proc/meminfo
  if [ ! -r /sys/devices/system/cpu/online ]; then
    cores=0
    while read -r word _; do
      case $word in
        cpu) ;;
        cpu[0-9]*) cores=$((cores + 1)) ;;
        *) break ;;
      esac
    done </proc/stat
    say "cores $cores"
  fi
  # With hidepid the processes of others, such as init, are not to be seen.
  [ -r /proc/1/comm ] || say 'hidden processes'
  [ -e /proc/modules ] || [ -e /proc/sys/kernel/modules_disabled ] || say 'static modules'
}
