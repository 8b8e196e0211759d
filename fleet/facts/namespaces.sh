# shellcheck shell=sh disable=SC2154 # the script that follows sets $nonce
# What the scripts that look into other network namespaces begin with.

\unalias -a 2>/dev/null
unset -f command env cat head ls awk sort nsenter read unset exec set shift cd printf exit uname true

frame() {
  printf '\n%s %s\n' "$nonce" "$1"
}

# refuse WHY: "root", "missing PROGRAM" or "impossible TEXT"
refuse() {
  frame refused
  printf '%s\n' "$1"
  frame end
  exit 0
}

# The other namespaces: lines of "START PID INODE NAME", each with its oldest process, and with the name of the oldest
# that is not called pause, which is the first one of a pod and says nothing. The first line counts what was seen.
elsewhere() {
  # shellcheck disable=SC2012 # one fork for thousands of links; their names are numbers
  {
    ls -ln 1/ns/net self/ns/net
    printf -- '-\n'
    ls -ln [0-9]*/ns/net
  } | awk '
    $1 == "-" { others = 1; next }
    # A link that may not be read, or whose process has ended, shows no target.
    $NF !~ /^net:\[[0-9]+\]$/ { next }
    {
      inode = $NF
      gsub(/[^0-9]/, "", inode)
      if (!others) own[inode] = 1
      if (!others) next
      seen++
      if (inode in own) next
      split($(NF - 2), path, "/")
      file = path[1] "/stat"
      line = ""
      getline line <file
      close(file)
      if (!match(line, /\(.*\) /)) next
      name = substr(line, RSTART + 1, RLENGTH - 3)
      split(substr(line, RSTART + RLENGTH), field, " ")
      start = field[20] + 0  # the 22nd of all: in clock ticks since the boot
      if (!(inode in first) || start < first[inode]) { first[inode] = start; pid[inode] = path[1] }
      if (name != "pause" && (!(inode in age) || start < age[inode])) { age[inode] = start; called[inode] = name }
    }
    END {
      print "seen", seen + 0
      for (inode in first)
        printf "%.0f %s %s %s\n", first[inode], pid[inode], inode, inode in called ? called[inode] : "pause"
    }' | sort -n
}
