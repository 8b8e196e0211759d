#!/bin/sh
# Takes back the unconfirmed run RUN of fleet.
sh /var/lib/fleet/runs/RUN/undo.sh late RUN
