# What the controls come to. Joined with the other two into one program of check.sh.

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
