# shellcheck shell=sh
# Files to read because another file names them. Sets for the others:
#
#   profiles  the files of TuneD's active profile and of those it includes
#   ufw_file  the file that ufw applies

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
