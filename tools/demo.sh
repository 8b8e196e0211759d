#!/bin/sh
# The demo: a lab fleet of real nodes on this machine, audited, changed and changed back over SSH. Everything it makes is
# removed at its end.
set -eu

NODES=${NODES:-12}
state=$(mktemp -d "${TMPDIR:-/tmp}/fleet-demo.XXXXXX")

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Findings (exit code 3) are what the demo is there to show; any other failure ends it.
show() {
    printf '%s$ fleet' "$dim"
    for word; do
        case $word in *[!A-Za-z0-9/._-]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '%s\n' "$plain"
    status=0
    fleet "$@" || status=$?
    case $status in
        0) ;;
        3) printf '%s(exit code 3: there is something to report)%s\n' "$dim" "$plain" ;;
        *) exit "$status" ;;
    esac
}

cleanup() {
    # A second Ctrl-C would leave half a lab.
    trap '' HUP INT PIPE TERM
    fleet lab down --state-dir "$state" >/dev/null
    rm -rf "$state"
}

if [ "$(id -u)" -ne 0 ]; then
    say 'The lab needs root for its network namespaces. Without it, here is this machine, audited without SSH:'
    rm -rf "$state"
    show audit --local stop-conntrack-resets
    exit 0
fi

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

say "1. A lab of $NODES nodes: namespaces with a real sshd, an own /etc and own kernel settings each"
show lab up -n "$NODES" --state-dir "$state"
FLEET_INVENTORY=$state/lab/default/inventory
export FLEET_INVENTORY

say '2. Who is in the inventory, and who is a k3s agent'
show inventory
show inventory -l 'k3s-agent'

say '3. The audit: one SSH connection and one command a node; nothing is changed'
show audit stop-conntrack-resets

say '4. Why: each finding once, with the nodes that have it'
show audit stop-conntrack-resets -l 'k3s-server or k3s-agent' -v

say '5. A playbook with a rollout: one node first, then half of them at a time, each batch behind a gate'
playbook=$state/demo.yaml
cat >"$playbook" <<'END'
name: Demo
hosts: web and not web-006 or db
profiles: [conntrack, tcp]
rollout:
  serial: [1, 50%]
  confirm_within: 60s
  gates: [verify]
END
cat "$playbook"

say '6. The plan: what would be changed, and why; still nothing is. It is saved, for review'
show plan "$playbook" --out "$state/plan.json"

say '7. The fault itself: throw-away namespaces with the values of one node, where a real connection is reset'
show prove "$playbook" --values-from db-001 --scenario above-window

say '8. Apply exactly the plan. Each node arms an undo before its first write; only a verified batch is confirmed'
show apply "$state/plan.json" --yes --state-dir "$state"

say '9. Verified: every control as a testinfra test. And the values of that node do not reset the connection any more'
show verify "$playbook"
show prove "$playbook" --values-from db-001 --scenario above-window --cured

say '10. Once more: nothing is left to do'
show apply "$state/plan.json" --yes --state-dir "$state"

say '11. Take it back: bytes, modes and live values as they were'
run=$(fleet rollback --list -f json --state-dir "$state" | sed -n 's/^ *"id": "\(.*\)",$/\1/p' | tail -n 1)
show rollback "$run" --yes --state-dir "$state"
show rollback --list --state-dir "$state"

say 'The lab is removed now. To keep one: fleet lab up -n 12'
