# Reads the data and what was gathered, and writes what they come to. Joined with the other two into one program of
# check.sh, which sets begun, now, today, checked and work.

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
  else if ($1 == "unseen") unseen[++unseen_count] = $2
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
  printf "], \"unseen\": [" > json
  for (i = 1; i <= unseen_count; i++) printf "%s%s", comma(i), quoted(unseen[i]) > json
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
}
