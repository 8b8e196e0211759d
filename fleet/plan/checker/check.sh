# shellcheck shell=sh disable=SC2034,SC2154 # the parts of the probe before this one read what it sets, and set what it reads
# Checks this node by /etc/fleet/check.data and tells what it has found: one line for the journal, status.json in its
# state directory, and metrics for node_exporter. It reads, and writes nothing else; it needs no network.
#
# fleet/plan/checker/text.py describes the data, of which nothing is ever run. POSIX sh; tried with dash and busybox.

data=/etc/fleet/check.data
tab='	'

# Ends without having checked.
give_up() {
  printf '%s%s\n' "${JOURNAL_STREAM:+<3>}" "not checked: $1"
  exit 1
}

# Hashes the regular files among the paths that are given.
sum_files() {
  index=0
  wanted=
  for path in "$@"; do
    index=$((index + 1))
    case $path in
      /proc/cmdline) ;;
      # The files of a process have another name after its next start.
      /proc/* | /etc/machine-id) continue ;;
    esac
    [ ! -f "$path" ] || wanted="$wanted \"\${$index}\""
  done
  eval "set -- $wanted"
  [ $# -eq 0 ] || sha256sum -- "$@" | sort -u >"$work/sums"
}

# What stands at the path of a control: a directory counts only where the probe would tell of it.
look_at() {
  there=no
  if [ -L "$1" ]; then
    there=yes
  elif [ -d "$1" ]; then
    case $1 in *.conf) there=yes ;; esac
  elif [ -e "$1" ]; then
    there=yes
  fi
  printf '%s\t%s\n' "$there" "$1"
}

# Gathers what the awk program below compares, as files in $work.
gather() {
  probe_processes >"$work/processes"
  probe_profiles
  probe_ufw
  probe_ipvs
  set --
  textfile=
  : >"$work/seen"
  : >"$work/sums"
  while IFS=$tab read -r word first second kind target _; do
    case $word in
      textfile) textfile=$first ;;
      file) set -- "$@" "$first" ;;
      control)
        [ "$kind" = file ] || continue
        look_at "$target" >>"$work/seen"
        set -- "$@" "$target"
        ;;
    esac
  done <"$data"
  # shellcheck disable=SC2086 # one word each
  with_config_paths sum_files "$@" $configs $profiles $ufw_file $ipvs
  # What was there at the first check by this data is what was planned on, for an apply compares it.
  sum=$(sha256sum <"$data")
  known=
  [ ! -f "$state/baseline" ] || read -r known <"$state/baseline"
  [ "$known" = "$sum" ] || {
    { printf '%s\n' "$sum" && cat "$work/sums"; } >"$work/baseline" && mv -f "$work/baseline" "$state/baseline"
  } || give_up "$state cannot be written"
}

check() {
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  umask 022
  read -r begun _ </proc/uptime
  exec </dev/null 2>/dev/null
  # Each record of the probe then begins a line.
  nonce='
fleet'
  for tool in awk date grep head mkdir mv rm sha256sum sort tr; do
    command -v "$tool" >/dev/null || give_up "the node has no $tool"
  done
  [ -r "$data" ] || give_up "$data cannot be read"
  state=${STATE_DIRECTORY:-/var/lib/fleet-check}
  work=$state/work
  rm -rf "$work"
  mkdir -p "$work" || give_up "$work cannot be made"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  gather
  line=$(compare) || give_up 'awk could not compare'
  mv -f "$work/status.json" "$state/status.json" || give_up "$state cannot be written"
  if [ -n "$textfile" ]; then
    # A scrape sees the metrics of this check or those of the last one, whole.
    if ! { cat "$work/metrics" >"$textfile/.fleet_check.new" && mv -f "$textfile/.fleet_check.new" "$textfile/fleet_check.prom"; }; then
      rm -f "$textfile/.fleet_check.new"
      line="$line; the metrics could not be written to $textfile"
    fi
  fi
  level=6
  case $line in ok:*) ;; *) level=4 ;; esac
  printf '%s%s\n' "${JOURNAL_STREAM:+<$level>}" "$line"
}

# Prints the line for the journal, and writes status.json and metrics.
compare() {
  awk -F "$tab" -v begun="$begun" -v now="$(date +%s)" -v today="$(date -u +%Y-%m-%d)" \
    -v checked="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v work="$work" '
  # The words of a text with one blank between them, as the kernel means its values.
  function folded(text,    words, number, i, result) {
    number = split(text, words, " ")
    for (i = 1; i <= number; i++) result = result (i > 1 ? " " : "") words[i]
    return result
  }
  # Leaves in VALUE what a file says; no where there is nothing to read.
  function reads(path,    line, text, found) {
    while ((getline line < path) > 0) { text = text " " line; found = 1 }
    close(path)
    VALUE = folded(text)
    return found
  }
  function key(path) { return reads("/proc/sys/" path) }
  function is_decimal(text) { return text ~ /^-?(0|[1-9][0-9]*)$/ && length(text) <= 20 }
  # The kernel would read it as a number of another base, which is left to the controller.
  function is_other_base(text) { return text ~ /^-?0[0-9xX]/ }

  # -1, 0 or 1; whole numbers of any size are compared exactly.
  function order(one, other,    sign) {
    if (!is_decimal(one) || !is_decimal(other)) return one + 0 < other + 0 ? -1 : one + 0 > other + 0
    if (one ~ /^-/ && other !~ /^-/) return -1
    if (one !~ /^-/ && other ~ /^-/) return 1
    sign = one ~ /^-/ ? -1 : 1
    if (length(one) != length(other)) return length(one) < length(other) ? -sign : sign
    if (one "" == other "") return 0
    return (one "") < (other "") ? -sign : sign
  }
  # Leaves the ranges of a list of ports in FIRST and LAST, and their number in RANGES; no where it is no such list.
  function ports(text,    items, ends, i) {
    RANGES = split(text, items, ",")
    for (i = 1; i <= RANGES; i++) {
      if (split(items[i], ends, "-") == 1) ends[2] = ends[1]
      if (!is_decimal(ends[1]) || !is_decimal(ends[2]) || order(ends[1], ends[2]) > 0) return 0
      FIRST[i] = ends[1] + 0
      LAST[i] = ends[2] + 0
    }
    return 1
  }
  function port_list(kind, text) {
    if (kind == "range" && !sub(/ /, "-", text)) return "none"
    return text
  }
  function demand(    count) {
    count = key("net/netfilter/nf_conntrack_count") ? VALUE * headroom : 0
    if (int(count) < count) count = int(count) + 1
    if (count < base) count = base
    if (count > ceiling) count = ceiling
    return sprintf("%.0f", count)
  }
  # Leaves a number that is computed in VALUE.
  function fact(name,    one, other) {
    if (name ~ /^conntrack\.(count|max|buckets)$/) {
      sub(/\./, "_", name)
      return key("net/netfilter/nf_" name)
    }
    if (name == "ports.ephemeral_count") {
      if (!key("net/ipv4/ip_local_port_range") || !ports(port_list("range", VALUE)) || RANGES != 1) return 0
      one = FIRST[1]
      other = LAST[1]
      if (!key("net/ipv4/ip_local_reserved_ports") || !ports(VALUE)) return 0
      VALUE = other - one + 1
      for (; RANGES > 0; RANGES--) {
        if (FIRST[RANGES] < one) FIRST[RANGES] = one
        if (LAST[RANGES] > other) LAST[RANGES] = other
        if (FIRST[RANGES] <= LAST[RANGES]) VALUE -= LAST[RANGES] - FIRST[RANGES] + 1
      }
      return 1
    }
    if (!key("net/netfilter/nf_conntrack_max")) return 0
    one = VALUE
    if (name == "conntrack.usage_percent") {
      if (!key("net/netfilter/nf_conntrack_count")) return 0
      VALUE = one == 0 ? 100 : 100 * VALUE / one
      return 1
    }
    if (!key("net/netfilter/nf_conntrack_buckets") || VALUE == 0) return 0
    VALUE = 2 * one / VALUE
    return 1
  }

  # Whether a value meets a condition: 1 or 0; -1: it cannot be judged; -2: the controller could judge it.
  function meets(kind, value, word, wanted,    args, number, i, j, words, text, firsts, lasts) {
    number = split(wanted, args, "\t")
    if (word == "loaded" || word == "exists" || word == "sum") return value == wanted
    if (word == "is") {
      if (kind == "fact") {
        for (i = 1; i <= number; i++) if (order(value, args[i]) == 0) return 1
        return 0
      }
      if (kind == "number" && is_other_base(value)) return -2
      text = value
      if (kind == "number" || kind == "range") {
        split(value, words, " ")
        text = kind == "number" ? words[1] : words[1] " " words[2]
      }
      # An empty list of ports is one argument too.
      if (number == 0) return text == ""
      for (i = 1; i <= number; i++) if (text "" == args[i] "" || value "" == args[i] "") return 1
      return 0
    }
    if (word == "at-least" || word == "at-most") {
      if (kind != "fact" && is_other_base(value)) return -2
      if (kind != "fact" && !is_decimal(value)) return -1
      text = args[1] == "@sizing.demand" ? demand() : args[1]
      i = order(value, text)
      return word == "at-least" ? i >= 0 : i <= 0
    }
    if (!ports(port_list(kind, value))) return -1
    number = RANGES
    for (i = 1; i <= number; i++) { firsts[i] = FIRST[i]; lasts[i] = LAST[i] }
    ports(args[1])
    for (i = 1; i <= RANGES; i++) {
      text = 0
      for (j = 1; j <= number; j++) {
        if (word == "covers" && firsts[j] <= FIRST[i] && LAST[i] <= lasts[j]) text = 1
        if (word == "avoids" && firsts[j] <= LAST[i] && FIRST[i] <= lasts[j]) return 0
      }
      if (word == "covers" && !text) return 0
    }
    return 1
  }
  # Likewise all conditions, of "expect" or "prefer".
  function meets_all(c, set, value,    i, result) {
    for (i = 1; i <= terms[c, set]; i++) {
      result = meets(kinds[c], value, words_of[c, set, i], wanted_of[c, set, i])
      if (result != 1) return result
    }
    return 1
  }
  function verdict(status, reason) {
    STATUS = status
    REASON = reason
  }
  function shown(c, value) {
    if (kinds[c] == "module") return value == "yes" ? "is loaded" : "is not loaded"
    if (kinds[c] == "file") return "is not as it should be"
    return "is " (value == "" ? "empty" : value)
  }
  # Holds the value and the one after the next boot against "expect" or "prefer"; no where both are fine.
  function violates(c, set, value, word, status,    result, later) {
    result = meets_all(c, set, value)
    if (result == -1) return verdict("error", shown(c, value) ", which cannot be compared") 1
    if (result == -2) return verdict("unknown", shown(c, value) ", which only the controller can compare") 1
    if (result == 0) return verdict(status, shown(c, value) ", " word " " words_for[c, set]) 1
    # What the next boot leaves was worked out from a node that is another one now.
    if (rests[c] ~ /later/ && moved != "") return verdict("unknown", shown(c, value) " now; " moved) 1
    if (laters[c] == "-") return 0
    later = substr(laters[c], 2)
    result = meets_all(c, set, later)
    if (result == 1) return 0
    if (result == 0) return verdict(status, shown(c, value) " now, but the next boot leaves " later ", " word " " words_for[c, set]) 1
    return verdict("error", "the next boot leaves " later ", which cannot be compared") 1
  }
  function judge(c,    i, number, parts, value) {
    for (i = 1; i <= givens[c]; i++) {
      value = key(given_key[c, i]) ? "=" VALUE : "-"
      if (value != given_value[c, i]) return verdict("unknown", given_key[c, i] " has changed since this was planned")
    }
    number = split(rests[c], parts, ",")
    for (i = 1; i <= number; i++) if (parts[i] in moved_of) return verdict("unknown", moved_of[parts[i]])
    if (kinds[c] == "fixed") return verdict(frozen[c], reasons[c])
    if (kinds[c] == "absent") {
      if (key(targets[c])) return verdict("unknown", "was not there when this was planned")
      return verdict(frozen[c], reasons[c])
    }
    if (kinds[c] == "module") value = (targets[c] in loaded) ? "yes" : "no"
    else if (kinds[c] == "file") value = "file"
    else {
      if (!(kinds[c] == "fact" ? fact(targets[c]) : key(targets[c]))) return verdict("unknown", "is not there any more")
      value = VALUE
    }
    if (kinds[c] == "file") {
      for (i = 1; i <= terms[c, "expect"]; i++) {
        value = words_of[c, "expect", i] == "exists" ? at_path[targets[c]] : sums[targets[c]]
        if (value != wanted_of[c, "expect", i]) return verdict("fail", "is not as expected: " words_for[c, "expect"])
      }
      return verdict("pass", "is as expected: " words_for[c, "expect"])
    }
    if (violates(c, "expect", value, "expected", "fail")) return
    if (terms[c, "prefer"] && violates(c, "prefer", value, "preferred", "warn")) return
    if (overruled[c] == "overruled") return verdict("warn", shown(c, value) "; something takes back what a file sets")
    verdict("pass", shown(c, value))
  }

  # A text in a string of JSON.
  function quoted(text,    i, c, result) {
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      if (c == "\"" || c == "\\") result = result "\\" c
      else result = result (index(PLAIN, c) ? c : sprintf("\\u%04x", code[c]))
    }
    return "\"" result "\""
  }
  # A label of a metric; what is no plain character is left out.
  function label(name, text,    i, c, result) {
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      if (c == "\"" || c == "\\") result = result "\\" c
      else if (index(PLAIN, c)) result = result c
    }
    return name "=\"" result "\""
  }
  function family(name, help) {
    printf "# HELP %s %s\n# TYPE %s gauge\n", name, help, name > metrics
  }
  function sample(name, labels, value) {
    printf "%s{%s%s} %s\n", name, label("playbook", playbook), labels, value > metrics
  }
  function is_violated(status) { return status == "fail" || status == "error" }
  function comma(i) { return i == 1 ? "" : ", " }
  # Takes note of a change: "machine", "there" or "files" is what verdicts rest on.
  function has_moved(what, text) {
    moved_all[++moved_count] = text
    text = text " since this was planned"
    if (!(what in moved_of)) moved_of[what] = text
    if (moved == "") moved = text
  }
  # The line for the journal names ten at most, and nothing of it steers a terminal.
  function trouble(text,    i, c) {
    if (++troubles > 10) return
    if (troubles > 1) told = told "; "
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      told = told (index(PLAIN, c) ? c : "?")
    }
  }

  BEGIN {
    for (i = 1; i < 256; i++) {
      c = sprintf("%c", i)
      code[c] = i
      if (i >= 32 && i < 127) PLAIN = PLAIN c
    }
    metrics = work "/metrics"
    json = work "/status.json"
  }

  FILENAME == ARGV[1] {
    if ($1 == "playbook") playbook = $2
    else if ($1 == "digest") digest = $2
    else if ($1 == "version") version = $2
    else if ($1 == "kernel") kernel = $2
    else if ($1 == "machine") { cores = $2; gibibytes = $3 }
    else if ($1 == "process") planned_process[$2]
    else if ($1 == "there") planned_there[$2] = $3
    else if ($1 == "demand") { base = $2 + 0; headroom = $3 + 0; ceiling = $4 + 0 }
    else if ($1 == "file") { files[++file_count] = $2; file_sum[file_count] = $3 }
    else if ($1 == "unjudged") { unjudged[++unjudged_count] = $2; unjudged_impact[unjudged_count] = $3; unjudged_why[unjudged_count] = $4 }
    else if ($1 == "control") {
      controls[++n] = $2; impacts[n] = $3; kinds[n] = $4; targets[n] = $5; rests[n] = $6; untils[n] = $7
      laters[n] = $8; overruled[n] = $9; frozen[n] = $10; reasons[n] = $11
    }
    else if ($1 == "given") { given_key[n, ++givens[n]] = $2; given_value[n, givens[n]] = $3 }
    else if ($1 == "words") words_for[n, $2] = $3
    else if ($1 == "expect" || $1 == "prefer") {
      i = ++terms[n, $1]
      words_of[n, $1, i] = $2
      wanted_of[n, $1, i] = substr($0, length($1) + length($2) + 3)
    }
    next
  }
  FILENAME == work "/processes" {
    if ($0 ~ /^fleet=/) { sub(/^fleet=[0-9]* /, ""); process[$0] }
    next
  }
  FILENAME == work "/seen" { at_path[$2] = $1; next }
  FILENAME == work "/sums" { sums[substr($0, 67)] = substr($0, 1, 64); next }
  FNR > 1 { was[substr($0, 67)] = substr($0, 1, 64) }

  END {
    while ((getline line < "/proc/modules") > 0) { split(line, parts, " "); loaded[parts[1]] }
    close("/proc/modules")

    if (!key("kernel/osrelease") || VALUE != kernel) has_moved("machine", "the kernel is another one")
    if (reads("/sys/devices/system/cpu/online")) {
      number = split(VALUE, parts, ",")
      for (i = 1; i <= number; i++) seen_cores += split(parts[i], ends, "-") == 2 ? ends[2] - ends[1] + 1 : 1
    } else while ((getline line < "/proc/stat") > 0) if (line ~ /^cpu[0-9]/) seen_cores++
    while ((getline line < "/proc/meminfo") > 0) if (line ~ /^MemTotal:/) { split(line, parts, " "); break }
    if (seen_cores != cores || int((parts[2] * 1024 + 536870912) / 1073741824) != gibibytes)
      has_moved("machine", "the processors or the memory have changed")
    for (name in planned_process) if (!(name in process)) has_moved("files", name " has stopped")
    for (name in process) if (!(name in planned_process)) has_moved("files", name " runs that did not")
    there["nf_conntrack"] = key("net/netfilter/nf_conntrack_count") ? "yes" : "no"
    there["br_netfilter"] = ("br_netfilter" in loaded) ? "yes" : "no"
    there["ip_vs"] = there["ipvs-services"] = "no"
    while ((getline line < "/proc/net/ip_vs") > 0) {
      there["ip_vs"] = "yes"
      if (line ~ /^(TCP|UDP|SCTP|FWM) /) there["ipvs-services"] = "yes"
    }
    for (name in planned_there) if (planned_there[name] != there[name])
      has_moved("there", name (there[name] == "yes" ? " is there that was not" : " is not there that was"))
    for (path in was) if (!(path in sums)) has_moved("files", path " is gone")
    for (path in sums) {
      if (!(path in was)) has_moved("files", path " is new")
      else if (was[path] != sums[path]) has_moved("files", path " has changed")
    }

    printf "{\"schema\": \"fleet.check/1\", \"checked\": %s, \"playbook\": %s, \"digest\": %s, \"version\": %s, \"files\": {",
      quoted(checked), quoted(playbook), quoted(digest), quoted(version) > json
    for (i = 1; i <= file_count; i++) {
      path = files[i]
      right = file_sum[i] == "-" ? was[path] : file_sum[i]
      state = !(path in sums) ? "gone" : sums[path] == right ? "ok" : "changed"
      if (state != "ok") { changed++; trouble(path (state == "gone" ? " is gone" : " has changed")) }
      file_state[i] = state
      printf "%s%s: %s", comma(i), quoted(path), quoted(state) > json
    }
    printf "}, \"moved\": [" > json
    for (i = 1; i <= moved_count; i++) printf "%s%s", comma(i), quoted(moved_all[i]) > json
    printf "], \"controls\": {" > json
    for (c = 1; c <= n; c++) {
      judge(c)
      if (STATUS ~ /^(fail|warn|error)$/ && untils[c] != "-" && today <= untils[c])
        verdict("skip", "exception until " untils[c] ": " REASON)
      counts[STATUS]++
      statuses[c] = STATUS
      if (is_violated(STATUS)) trouble(controls[c] " " REASON)
      printf "%s%s: {\"status\": %s, \"impact\": %s, \"reason\": %s}", comma(c), quoted(controls[c]),
        quoted(STATUS), quoted(impacts[c]), quoted(REASON) > json
    }
    for (i = 1; i <= unjudged_count; i++) printf "%s%s: {\"status\": \"unjudged\", \"impact\": %s, \"reason\": %s}",
      comma(n + i), quoted(unjudged[i]), quoted(unjudged_impact[i]), quoted(unjudged_why[i]) > json
    counts["unjudged"] = unjudged_count

    result = counts["fail"] + counts["error"] + changed ? "drift" : counts["unknown"] ? "unknown" : "ok"
    if (result == "unknown") trouble(moved == "" ? "some values cannot be judged" : moved)
    number = split("pass warn fail skip error unknown unjudged", names, " ")
    for (i = 1; i <= number; i++) tally = tally (i > 1 ? ", " : "") counts[names[i]] + 0 " " names[i]
    printf "}, \"verdict\": %s, \"summary\": {", quoted(result) > json
    for (i = 1; i <= number; i++) printf "%s\"%s\": %d", comma(i), names[i], counts[names[i]] > json
    print "}}" > json

    family("fleet_node_check_timestamp_seconds", "When the node last checked itself.")
    sample("fleet_node_check_timestamp_seconds", "", now)
    reads("/proc/uptime")
    split(VALUE, parts, " ")
    family("fleet_node_check_duration_seconds", "How long that took.")
    sample("fleet_node_check_duration_seconds", "", sprintf("%.2f", parts[1] - begun))
    family("fleet_node_check_info", "Always 1: the digest of the playbook, and the version of fleet that wrote the checker.")
    sample("fleet_node_check_info", "," label("digest", digest) "," label("version", version), 1)
    family("fleet_node_controls", "Controls by status: pass, warn, fail, skip, error, unknown (what it rests on has changed) or unjudged (only a controller can).")
    for (i = 1; i <= number; i++) sample("fleet_node_controls", "," label("status", names[i]), counts[names[i]] + 0)
    family("fleet_node_control_violated", "1 where the control does not hold, else 0; absent where the node cannot judge it.")
    for (c = 1; c <= n; c++) if (statuses[c] != "unknown")
      sample("fleet_node_control_violated", "," label("control", controls[c]) "," label("impact", impacts[c]), is_violated(statuses[c]))
    family("fleet_node_file_changed", "1 where a file that fleet has written differs, else 0.")
    for (i = 1; i <= file_count; i++)
      sample("fleet_node_file_changed", "," label("path", files[i]), file_state[i] != "ok")

    if (troubles > 10) told = told "; and " troubles - 10 " more"
    print result ": " told (told == "" ? "" : "; ") tally
  }' "$data" "$work/processes" "$work/seen" "$work/sums" "$state/baseline"
}

# In braces, for a script that is cut short would still run.
{ check; }
