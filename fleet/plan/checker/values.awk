# Values of the node, and how they compare. Joined with the other two into one program of check.sh.

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
