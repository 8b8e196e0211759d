# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Reads one node and changes nothing on it. fleet/facts/request.py joins the files of this folder, with this one last,
# into one script, which is run as: sh -s -- NONCE KEY... FILE... <SCRIPT
#
#   NONCE  hexadecimal, chosen anew for each call, so that nothing on the node can imitate a frame
#   KEY    below /proc/sys, such as net/ipv4/tcp_fin_timeout
#   FILE   absolute path of a further file to read
#
# The answer is sections, each opened by the line "NONCE NAME"; inside a section each record starts with "NONCE=".
# The first section names the version of the format, the last one is "end". fleet/facts/answer.py reads it.
#
# Whole files are read by one cat or head: "env -i NONCE= cat A /proc/self/environ B /proc/self/environ" prints
# "NONCE=" and a NUL after each file, because that is all of cat's environment. That is exact for any content, at one
# fork for all the files. The shell's own "read" would not do: it reads byte by byte, and /proc/sys gives a second
# read nothing, so dash and busybox would see "6" for 60.
#
# POSIX sh; tried with dash, bash and busybox. The last line starts it all: a script that was cut off runs nothing.
#
# Sets for the others:
#
#   nonce      the first argument
#   cat, head  full names of these tools
#   builtin    the list of the modules that are built into the kernel

probe() {
  nonce=$1
  shift
  exec </dev/null 2>/dev/null
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  # The tools that k3s brings along are on no PATH.
  held=
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/var/lib/rancher/k3s/data/current/bin/aux
  export LC_ALL PATH
  # env -i forgets the PATH, so these are needed by their full names.
  cat=$(command -v cat)
  head=$(command -v head)
  say "$nonce fleet-facts 1"
  probe_host
  builtin=/lib/modules/$release/modules.builtin
  probe_processes
  probe_values "$@"
  for path in "$@"; do
    shift
    case $path in /*) set -- "$@" "$path" ;; esac
  done
  probe_profiles
  probe_ufw
  probe_ipvs
  # shellcheck disable=SC2086 # one word each
  probe_files "$@" $configs $profiles $ufw_file $ipvs
  probe_sockets
  probe_tools
  frame end
  print_held
}

# In braces, for a line that is cut short would still be a command.
{ probe "$@"; }
