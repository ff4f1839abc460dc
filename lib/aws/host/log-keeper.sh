#!/usr/bin/env bash
# Keeps the event log from filling the disk without ever rotating it: a rename or a truncation can cost the agent its
# offset and a run its events. What the agent has delivered is punched out of the file; offsets and length stay as they are,
# only the blocks go. What it has not delivered is kept: when that backlog reaches its bound, the node is stopped,
# which anyone can see, instead of losing events, which nobody would. It starts again once half of the backlog is gone.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
. ./contract.sh

[[ -f $LOG_FILE ]] || exit 0

# The agent's state file: greatest offset, file name, and delivered ranges as start-end, comma-separated. Only a range
# that begins at 0 proves that everything before its end is delivered. Older agents write no ranges.
delivered=0
if [[ -r $AGENT_STATE ]]; then
  mapfile -t state <"$AGENT_STATE"
  if [[ -n ${state[2]:-} ]]; then
    first=${state[2]%%,*}
    if [[ $first =~ ^0-([0-9]+)$ ]]; then delivered=${BASH_REMATCH[1]}; fi
  elif [[ ${state[0]:-} =~ ^[0-9]+$ ]]; then
    delivered=${state[0]}
  fi
fi

# A margin stays in place for whoever looks at the end of the file on the host.
punch=$(((delivered - KEEP_BYTES) / 4096 * 4096))
if ((punch > 0)); then fallocate --punch-hole --offset 0 --length "$punch" "$LOG_FILE"; fi

held=$(($(stat --format '%b' "$LOG_FILE") * 512))
stopped=/run/microcosm-log-keeper.stopped
if ((held > BACKLOG_BYTES)) && [[ ! -e $stopped ]]; then
  echo "the agent has $held bytes of $LOG_FILE to deliver, more than $BACKLOG_BYTES: stopping the node"
  touch "$stopped"
  systemctl stop microcosm.service
elif ((held < BACKLOG_BYTES / 2)) && [[ -e $stopped ]]; then
  echo "the backlog is down to $held bytes: starting the node"
  rm -f "$stopped"
  systemctl start microcosm.service
fi
