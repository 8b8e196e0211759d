# shellcheck shell=sh
# Tables of the network in /proc.

# Listeners, the size of a conntrack entry and the IPVS tables, all from /proc by one awk.
probe_sockets() {
  frame sockets
  say_all "$(awk '
    function listeners(protocol, file, state,    line, word) {
      while ((getline line < file) > 0 && shown < 5000) {
        split(line, word)
        if (word[1] == "sl") continue
        if (word[4] != state) {
          if (state == "0A") break  # listening TCP sockets come first
          continue
        }
        if (!((protocol, word[2]) in seen)) { seen[protocol, word[2]]; shown++; print protocol, word[2] }
      }
      close(file)
    }
    BEGIN {
      listeners("tcp", "/proc/net/tcp", "0A")
      listeners("tcp", "/proc/net/tcp6", "0A")
      listeners("udp", "/proc/net/udp", "07")
      listeners("udp", "/proc/net/udp6", "07")
      if (shown >= 5000) print "more"
      while ((getline line < "/proc/slabinfo") > 0) {
        split(line, word)
        if (word[1] == "nf_conntrack") { print "slab", word[4]; break }
      }
      while ((getline line < "/proc/net/ip_vs") > 0) {
        split(line, word)
        loaded = 1
        if (word[1] ~ /^(TCP|UDP|SCTP|FWM)$/) services++
        else if (word[1] == "->" && word[2] ~ /:[0-9A-F]+$/) connections += word[5] + word[6]
      }
      if (loaded) printf "ipvs %d %.0f\n", services, connections
      print "done"
    }')"
}
