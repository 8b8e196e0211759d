# shellcheck shell=sh
# Files to read because another file names them. Sets for the others:
#
#   profiles  the files of TuneD's active profile and of those it includes
#   ufw_file  the file that ufw applies
#   ipvs      units that set the timeouts of IPVS, and patterns of the links by which they are enabled

# Leaves in $profiles the files of TuneD's active profile and of those it includes.
probe_profiles() {
  profiles=
  [ -s /etc/tuned/active_profile ] || return
  read -r names </etc/tuned/active_profile
  profiles=/etc/tuned/tuned-main.conf
  seen=0
  set -f
  # shellcheck disable=SC2086 # one word a profile
  set -- $names
  while [ $# -gt 0 ] && [ "$seen" -lt 20 ]; do
    # With a dash in front it need not be there.
    name=${1#-}
    shift
    case $name in
      '' | *[!A-Za-z0-9_.-]*) continue ;;
    esac
    for base in /etc/tuned/profiles /etc/tuned /usr/lib/tuned/profiles /usr/lib/tuned; do
      path=$base/$name/tuned.conf
      [ -f "$path" ] || continue
      # A profile may include the one that it hides.
      case " $profiles " in *" $path "*) continue ;; esac
      profiles="$profiles $path"
      seen=$((seen + 1))
      lines=0
      while IFS='= 	' read -r word rest && [ "$lines" -lt 500 ]; do
        lines=$((lines + 1))
        [ "$word" = include ] || continue
        IFS=' 	,;'
        # shellcheck disable=SC2086 # one word a profile
        set -- "$@" ${rest%%#*}
        IFS=' 	
'
      done <"$path"
      break
    done
  done
  set +f
}

# Leaves in $ufw_file the file that ufw applies.
probe_ufw() {
  ufw_file=
  [ -f /etc/ufw/ufw.conf ] || return
  lines=0
  while read -r word _ && [ "$lines" -lt 500 ]; do
    lines=$((lines + 1))
    case $word in
      IPT_SYSCTL=*)
        word=${word#IPT_SYSCTL=}
        word=${word#[\"\']}
        ufw_file=${word%[\"\']}
        ;;
    esac
  done </etc/default/ufw
  case $ufw_file in
    *[!A-Za-z0-9._/-]*) ufw_file= ;;
    /*) ;;
    *) ufw_file= ;;
  esac
}

# Leaves in $ipvs the units that set the timeouts of IPVS. Without the module there are no timeouts to keep.
probe_ipvs() {
  ipvs=
  [ -e /proc/net/ip_vs ] || return
  lib=/lib
  [ -L /lib ] && lib=/nowhere
  # shellcheck disable=SC2013 # one word a file; a name with blanks is not taken, below
  for path in $(grep -ls 'ipvsadm.*--set' /etc/systemd/system/*.service /run/systemd/system/*.service \
    /usr/local/lib/systemd/system/*.service /usr/lib/systemd/system/*.service "$lib"/systemd/system/*.service); do
    name=${path##*/}
    case $path in
      *[!A-Za-z0-9@._/-]*) continue ;;
    esac
    # The patterns are expanded where the files are read.
    ipvs="$ipvs $path /etc/systemd/system/*.wants/$name /etc/systemd/system/*.requires/$name"
  done
}
