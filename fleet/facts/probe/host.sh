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
  printf 'uid %s\n' "$uid"
  # shellcheck disable=SC2046 # two words are wanted
  set -- $(uname -rm)
  release=$1
  printf 'kernel %s\narch %s\n' "$1" "$2"
  while read -r word first _; do
    [ "$word" = MemTotal: ] && printf 'ram %s\n' "$first" && break
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
    printf 'cores %s\n' "$cores"
  fi
  # With hidepid the processes of others, such as init, are not to be seen.
  [ -r /proc/1/comm ] || printf 'hidden processes\n'
  [ -e /proc/modules ] || [ -e /proc/sys/kernel/modules_disabled ] || printf 'static modules\n'
}
