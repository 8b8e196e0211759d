#!/bin/sh
# Reads the TCP sockets and counters of each network namespace of a node, and what the node's connection tracking and
# IPVS know of them, and changes nothing. It goes to the node behind namespaces.sh. Run as:
# sh -s -- NONCE MOST ENTRIES SOCKETS
#
#   NONCE    hexadecimal, chosen anew for each call
#   MOST     other namespaces to read at most: those with the oldest processes
#   ENTRIES  most entries of a table that is gone through
#   SOCKETS  most sockets that are printed, and half of the most entries
#
# /proc/PID/net shows the tables of a process's namespace without entering it. Sockets are read before the tables: the
# entry of a connection that is closed in between stays for some time, so that none is missed by chance. The answer is
# framed as that of probe.sh.
#
# POSIX sh; tried with dash, bash and busybox. The last line starts it all: a script that was cut off runs nothing.

# tables NUMBER...: what connections.py reads, one line each; the namespace "self" is the node's own.
tables() {
  awk -v pids="$*" -v big="$big" -v table="$table" -v sockets="$sockets" '
    function number(digits,    i, n) {
      for (i = 1; i <= length(digits); i++) n = n * 16 + index("123456789ABCDEF", substr(digits, i, 1))
      return n + 0
    }
    # Four bytes as /proc/net/tcp prints them, in the order of the machine.
    function word(digits) {
      if (big) return digits
      return substr(digits, 7, 2) substr(digits, 5, 2) substr(digits, 3, 2) substr(digits, 1, 2)
    }
    function dotted(digits) {
      return number(substr(digits, 1, 2)) "." number(substr(digits, 3, 2)) "." number(substr(digits, 5, 2)) "." \
        number(substr(digits, 7, 2))
    }
    # As conntrack prints it: 10.0.0.1, or eight groups of four digits.
    function address(digits,    i, whole) {
      if (digits in known) return known[digits]
      if (length(digits) == 8) return known[digits] = dotted(word(digits))
      for (i = 1; i < 32; i += 8) whole = whole word(substr(digits, i, 8))
      if (substr(whole, 1, 24) == "00000000000000000000FFFF") return known[digits] = dotted(substr(whole, 25))
      whole = tolower(whole)
      return known[digits] = grouped(whole)
    }
    function grouped(whole,    i, groups) {
      for (i = 1; i < 32; i += 4) groups = groups (i > 1 ? ":" : "") substr(whole, i, 4)
      return groups
    }
    # Addresses of a namespace but for loopback: connections of others only pass through.
    function locals(pid,    file, line, field, last) {
      file = pid "/net/fib_trie"
      while ((getline line <file) > 0) {
        split(line, field)
        if (field[1] == "|--") last = field[2]
        else if (line ~ /\/32 host LOCAL/ && last !~ /^127\./) here[last]
      }
      close(file)
      file = pid "/net/if_inet6"
      while ((getline line <file) > 0) {
        split(line, field)
        if (field[4] != "10") here[grouped(field[1])]
      }
      close(file)
    }
    function ports(pid,    command, line, i) {
      command = "cat"
      if (pid != "self") command = "nsenter --net=/proc/" pid "/ns/net cat"
      for (i = 1; i <= 3; i++) command = command " /proc/sys/net/ipv4/" asked[i]
      low = high = 0
      if ((command | getline line) > 0) { split(line, range); low = range[1] + 0; high = range[2] + 0 }
      print "range", pid, low, high
      if ((command | getline line) > 0) print "reserved", pid, line
      if ((command | getline line) > 0) print "reuse", pid, line
      close(command)
    }
    function socket(pid, field,    mine, peer, port, there, key) {
      split(field[2], mine, ":")
      port = number(mine[2])
      if (field[4] == "0A") {
        if (!((pid, port) in listens)) { listens[pid, port]; print "listen", pid, port }
        return
      }
      split(field[3], peer, ":")
      there = address(peer[1]) " " number(peer[2])
      if (!((pid, port) in listens) && port >= low && port <= high) {
        used[there]++
        if (field[4] == "06") waiting[there]++
      }
      if (field[4] != "01" && field[4] != "05" && field[4] != "08" || there ~ /^127\./) return
      if (++shown > sockets) { more = 1; return }
      mine[1] = address(mine[1])
      split(field[6], timer, ":")
      print "socket", pid, mine[1], port, there, field[4], timer[1] + 0, number(timer[2]), field[10]
      wanted[mine[1] " " port " " there]
    }
    function read(pid,    names, count, i, file, line, field, there) {
      locals(pid)
      ports(pid)
      split("", used); split("", waiting)
      count = split("tcp tcp6", names, " ")
      for (i = 1; i <= count; i++) {
        file = pid "/net/" names[i]
        while ((getline line <file) > 0) if (split(line, field) > 9 && field[1] != "sl") socket(pid, field)
        close(file)
      }
      for (there in used)
        if (used[there] * 4 >= high - low + 1) print "used", pid, there, used[there], waiting[there] + 0
    }
    # conntrack leaves out zeros, which the kernel prints: fd00::1.
    function unfolded(text,    groups, count, i, whole) {
      if (text !~ /:/ || length(text) == 39) return text
      sub(/^::/, "0::", text)
      sub(/::$/, "::0", text)
      count = split(text, groups, ":")
      for (i = 1; i <= count; i++) {
        if (groups[i] != "") whole = whole substr("0000" groups[i], length(groups[i]) + 1)
        else whole = whole substr("00000000000000000000000000000000", 1, 4 * (9 - count))
      }
      return grouped(whole)
    }
    # One entry of connection tracking: both directions, whatever stands between them.
    function entry(line,    field, count, i, pair, value, n, state, expires, one, two) {
      if (line !~ /tcp /) return
      count = split(line, field, " ")
      for (i = 1; i <= count && n < 8; i++) {
        if (split(field[i], pair, "=") == 2) { if (pair[1] ~ /^(src|dst|sport|dport)$/) value[++n] = unfolded(pair[2]) }
        else if (n == 0) { expires = state; state = field[i] }
      }
      if (n < 8) return
      one = value[1] " " value[3] " " value[2] " " value[4]
      two = value[5] " " value[7] " " value[6] " " value[8]
      if (!(value[1] in here || value[2] in here || value[5] in here || value[6] in here)) return
      if (++listed > 2 * sockets) { more = 1; return }
      print "entry", state, expires + 0, one, two
    }
    function ipvs(    file, line, field, at) {
      file = "self/net/ip_vs"
      while ((getline line <file) > 0) {
        if (line !~ /^TCP /) continue
        split(line, field, " ")
        at = match(field[2], /:[0-9A-F]+$/)
        print "service", virtual(substr(field[2], 1, at - 1)), number(substr(field[2], at + 1))
      }
      close(file)
      file = "self/net/ip_vs_conn"
      while ((getline line <file) > 0) {
        split(line, field, " ")
        if (field[1] != "TCP") continue
        at = virtual(field[2]) " " number(field[3]) " " virtual(field[4]) " " number(field[5])
        if (at in wanted) print "ipvs", at
      }
      close(file)
    }
    function virtual(digits) {
      gsub(/[][]/, "", digits)
      return digits ~ /:/ ? tolower(digits) : dotted(digits)
    }
    function uptime(moment,    line, field) {
      if ((getline line <"uptime") > 0) { split(line, field, " "); print moment, field[1] }
      close("uptime")
    }
    BEGIN {
      uptime("began")
      split("ip_local_port_range ip_local_reserved_ports tcp_tw_reuse", asked, " ")
      split(pids, numbers, " ")
      for (at = 1; at in numbers; at++) read(numbers[at])
      if (table != "") while (((table ~ /^\//) ? (getline line <table) : (table | getline line)) > 0) entry(line)
      ipvs()
      uptime("ended")
      if (more) print "more"
      print "done"
    }'
}

# records PATTERN FILES NUMBER...: the lines of these files of each process that match; a fork for each would take long.
records() {
  pattern=$1
  names=$2
  shift 2
  awk -v nonce="$nonce" -v pattern="$pattern" -v names="$names" -v pids="$*" '
    BEGIN {
      files = split(names, name, " ")
      split(pids, number, " ")
      for (at = 1; at in number; at++) {
        printf "%s=pid %s\n", nonce, number[at]
        for (i = 1; i <= files; i++) {
          file = number[at] "/" name[i]
          shown = 0
          while ((getline line <file) > 0) if (line ~ pattern && shown++ < 40) print substr(line, 1, 4000)
          close(file)
        }
      }
    }'
}

# Which table of connection tracking can be read: prints a file or a command, or a reason that begins with "-".
conntrack_table() {
  [ -e /proc/sys/net/netfilter/nf_conntrack_count ] || {
    printf -- '- absent\n'
    return
  }
  read -r count </proc/sys/net/netfilter/nf_conntrack_count
  if [ "$count" -gt "$entries" ]; then
    printf -- '- large %s\n' "$count"
  elif [ -r /proc/net/nf_conntrack ]; then
    printf '/proc/net/nf_conntrack\n'
  elif command -v conntrack >/dev/null; then
    printf '{ conntrack -L -f ipv4 -p tcp; conntrack -L -f ipv6 -p tcp; } 2>/dev/null\n'
  else
    printf -- '- missing conntrack\n'
  fi
}

# Rules that drop INVALID packets, with how many each has dropped: lines of "PACKETS RULE". A firewall that is not there
# would be loaded by asking for it: look first.
rules() {
  if [ -e /proc/net/ip_tables_names ] && grep -qx filter /proc/net/ip_tables_names; then
    tool=iptables-legacy-save
    command -v "$tool" >/dev/null || tool=iptables-save
    counted_rules "$tool"
  fi
  has_module nf_tables || return
  # Only rules of iptables-nft use nft_compat.
  if has_module nft_compat; then counted_rules iptables-nft-save; fi
  command -v nft >/dev/null || return
  nft -t list ruleset | awk '
    $1 == "table" { table = $2 " " $3 }
    # What iptables-nft prints itself.
    table == "ip filter" || table == "ip mangle" { next }
    /ct state.*invalid.* counter packets [0-9]+ .*drop/ && shown++ < 50 {
      sub(/^[ \t]+/, "")
      match($0, /counter packets [0-9]+/)
      print substr($0, RSTART + 16, RLENGTH - 16), $0
    }'
}

# Whether the kernel has the module already; where it cannot load any, asking is harmless.
has_module() {
  [ ! -e /proc/modules ] || [ -d "/sys/module/$1" ] || grep -q "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin"
}

# counted_rules TOOL: those that it prints as [PACKETS:BYTES] -A ...
counted_rules() {
  command -v "$1" >/dev/null || return
  "$1" -c -t filter | awk '
    /^\[[0-9]+:[0-9]+\] -A .*INVALID.* -j DROP/ && shown++ < 50 {
      match($0, /[0-9]+/)
      count = substr($0, RSTART, RLENGTH)
      sub(/^[^ ]+ /, "")
      print count, $0
    }'
}

connections() {
  nonce=$1
  most=$2
  entries=$3
  sockets=$4
  exec </dev/null 2>/dev/null
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  printf '%s fleet-connections 1\n' "$nonce"
  while read -r word _ uid _; do
    [ "$word" = Uid: ] && break
  done </proc/self/status
  [ "$uid" = 0 ] || refuse root
  for program in nsenter ls awk sort env cat head uname; do
    command -v "$program" >/dev/null || refuse "missing $program"
  done
  [ -e /proc/self/ns/net ] || refuse 'impossible the kernel has no network namespaces'
  cd /proc || refuse 'impossible /proc cannot be entered'
  case $(uname -m) in
    s390x | ppc64 | ppc | sparc64 | mips | mips64) big=1 ;;
    *) big=0 ;;
  esac
  all=$(elsewhere)
  frame namespaces
  printf '%s\n' "$all" | head -n 5000
  pids=$(printf '%s\n' "$all" | head -n $((most + 1)) | while read -r start pid _; do
    [ "$start" = seen ] || printf '%s ' "$pid"
  done)
  frame cgroups
  # shellcheck disable=SC2086 # numbers
  records '.' cgroup $pids
  frame counters
  # shellcheck disable=SC2086
  records '^Tcp(Ext)?:' 'net/snmp net/netstat' self $pids
  table=$(conntrack_table)
  frame table
  printf '%s\n' "$table"
  case $table in -*) table= ;; esac
  frame rules
  rules
  frame sockets
  # shellcheck disable=SC2086 # numbers
  tables self $pids
  frame end
}

{ connections "$@"; }
