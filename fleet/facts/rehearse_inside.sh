#!/bin/sh
# The part of rehearse.sh that runs in a mount and a network namespace of its own. Arguments: NONCE PID TOOL KEY...
#
#   PID   a process outside of the namespaces
#   TOOL  its path
#
# The tool runs in a root directory that is put together here from the node's own file systems. All of it is read-only,
# /proc included, but for the keys that were named: each is a mount of its own, of the new namespace's file. Sealing is
# checked before the tool runs, and all of it is gone with the last process.

root=/sys # a directory that every node has, and nobody here needs
seconds=20

frame() {
  printf '\n%s %s\n' "$nonce" "$1"
}

refuse() {
  frame refused
  printf '%s\n' "$1"
  frame end
  exit 0
}

# Shows a file system in the new root, without what is mounted below it. With -n mount takes no notes of it.
show() {
  mount -n --bind "$1" "$root$1" && mount -n -o remount,bind,ro,nosuid,nodev "$root$1"
}

build_root() {
  show / || return
  while read -r _ _ _ _ point _ rest; do
    # What is mounted on demand or from afar is not woken; a name with a backslash has blanks in it.
    case " $rest" in *' - autofs '* | *' - nfs'* | *' - cifs '* | *' - fuse'*) continue ;; esac
    case $point in
      *\\*) ;;
      /bin | /sbin | /lib | /lib32 | /lib64 | /usr | /usr/* | /etc | /etc/* | /run | /opt | /var | /home | /srv | /nix/store)
        [ ! -e "$point" ] || show "$point" || return
        ;;
    esac
  done </proc/self/mountinfo
  show /proc || return
  # No device is needed: an empty file masks another as /dev/null does.
  mount -n -t tmpfs -o mode=0755,size=64k none "$root/dev" && : >"$root/dev/null" && mount -n -o remount,ro "$root/dev"
}

# Says what in the new root could be written that should not, or "sealed".
inspect() {
  chroot "$root" cat /proc/self/mountinfo | {
    verdict=
    while read -r _ _ _ _ point options _; do
      case $point in
        /proc/sys/net/*) continue ;;
        /) verdict=sealed ;;
      esac
      case $options in
        ro | ro,*) ;;
        *)
          printf '%s is writable' "$point"
          exit
          ;;
      esac
    done
    printf '%s' "$verdict"
  }
}

# Names a file that the tool would read at boot, and would not see in the new root.
unseen() {
  for path in /etc/sysctl.conf /etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf \
    /usr/lib/sysctl.d/*.conf /lib/sysctl.d/*.conf; do
    [ ! -f "$path" ] || set -- "$@" "$path"
  done
  # shellcheck disable=SC2016 # the shell in the new root expands it
  chroot "$root" sh -c 'for path; do [ -f "$path" ] || { printf "%s" "$path"; break; }; done' sh "$@"
}

run() {
  timeout -s KILL "$seconds" chroot "$root" env -i PATH="$PATH" LC_ALL=C \
    SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_COLOR=0 "$@"
}

# One cat for all keys; probe.sh explains the environment.
values() {
  frame "$1"
  eval "set -- $wanted"
  [ $# -eq 0 ] || env -i "$nonce=" "$cat" "$@"
}

inside() {
  nonce=$1
  outside=$2
  tool=$3
  shift 3
  exec </dev/null 2>/dev/null 4>&1
  cat=$(command -v cat)
  for space in mnt net; do
    if [ ! -e "/proc/$outside/ns/$space" ] || [ "/proc/self/ns/$space" -ef "/proc/$outside/ns/$space" ]; then
      refuse "impossible the node gives no $space namespace of its own"
    fi
  done
  while read -r _ _ _ _ _ _ rest; do
    case $rest in shared:*) refuse "impossible its mounts are shared with the node" ;; esac
  done </proc/self/mountinfo
  build_root || refuse "impossible the mounts for it were refused"
  frame keys
  wanted=
  index=0
  for key in "$@"; do
    path=/proc/sys/$key
    # Opening for append writes nothing, and tells more than a test of the permissions.
    [ -f "$path" ] || continue
    { true >>"$path"; } || continue
    mount -n --bind "$path" "$root$path" || refuse "impossible the mount of $path was refused"
    printf '%s\n' "$key"
    index=$((index + 1))
    eval "path_$index=\$path"
    wanted="$wanted \"\$path_$index\" /proc/self/environ"
  done
  sealed=$(inspect)
  [ "$sealed" = sealed ] || refuse "impossible ${sealed:-the new root cannot be entered}"
  path=$(unseen)
  [ -z "$path" ] || refuse "impossible $path leads to a file system that is left out"
  values before
  frame tool
  version=$(run "$tool" --version 2>&1 | head -c 200)
  printf '%s\n%s\n' "$tool" "$version"
  case $tool in
    */systemd-sysctl) set -- "$tool" --prefix=/net ;;
    *)
      case $version in *procps*) ;; *) refuse 'impossible sysctl is not that of procps' ;; esac
      set -- "$tool" --system
      ;;
  esac
  frame output
  # The status goes through 3, the first of the words through 4; the rest is read all the same, so that nothing blocks.
  status=$(
    {
      {
        run "$@" 2>&1 >/dev/null 3>&- 4>&-
        printf '%s' "$?" >&3
      } | {
        head -c 16384 >&4
        cat >/dev/null
      }
    } 3>&1
  )
  frame status
  printf '%s\n' "$status"
  values after
  frame end
}

inside "$@"
