#!/usr/bin/env bash
# Turns a fresh Amazon Linux 2023 machine into one node of a topology. Started once by the user data, which sets
#   INSTANCE SERVICE TOPOLOGY EDGE LOG_GROUP METRICS_NAMESPACE SIGNAL_URL
# and has put the slice where contract.sh says. Tells CloudFormation through SIGNAL_URL how it went, once: success when
# the node answers its readiness check, or failure with the phase, the command and its last words.
set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
. ./contract.sh

phase=start
log=/var/log/microcosm-setup.log
exec > >(tee -a "$log") 2>&1

signal() { # status, reason
  local body
  body=$(python3 -c 'import json, sys; print(json.dumps({"Status": sys.argv[1], "Reason": sys.argv[2][:1000], "UniqueId": sys.argv[3], "Data": ""}))' \
    "$1" "$2" "$INSTANCE")
  # An empty content type, because the pre-signed address was signed with one.
  curl --silent --show-error --fail --retry 8 --retry-all-errors --max-time 20 \
    --request PUT --header 'Content-Type:' --data-binary "$body" "$SIGNAL_URL"
}

fail() { # exit status, command
  trap - ERR
  sleep 0.2 # lets tee write the last lines
  local words
  words=$(tail -n 4 "$log" | tr -s '\n\t ' ' ' | tail -c 600)
  echo "setup: $phase failed ($1): $2"
  signal FAILURE "$INSTANCE, phase $phase: $2 ended with $1: $words" || echo "setup: the failure could not be signalled"
  exit 1
}
trap 'fail $? "$BASH_COMMAND"' ERR

enter() {
  phase=$1
  echo "setup: $phase"
}

attempt() { # times, seconds between, command...
  local times=$1 pause=$2 i
  shift 2
  for ((i = 1; i < times; i++)); do
    "$@" && return
    sleep "$pause"
  done
  "$@"
}

enter packages
attempt 5 10 dnf install --assumeyes --quiet --releasever=latest "$NODE_PACKAGE" "$AGENT_PACKAGE"
agent_version=$(rpm --query --queryformat '%{VERSION}' "$AGENT_PACKAGE")
if [[ $(printf '%s\n' "$AGENT_OLDEST" "$agent_version" | sort --version-sort | head -n 1) != "$AGENT_OLDEST" ]]; then
  echo "the agent is $agent_version, but before $AGENT_OLDEST it can hold back a quiet log"
  false
fi

enter user
id "$NODE_USER" >/dev/null 2>&1 || useradd --system --no-create-home --shell /sbin/nologin "$NODE_USER"

enter files
install -d -m 0755 "$CONFIG_DIR" "$LOG_DIR"
chown "$NODE_USER:" "$LOG_DIR"
chmod 0644 "$SLICE_FILE"
install -m 0644 microcosm.service microcosm-log-keeper.service microcosm-log-keeper.timer /etc/systemd/system/
chmod 0755 "$PROGRAM_DIR/log-keeper.sh"
flags=
if "$NODE_BINARY" $NODE_FLAGS -e 0 2>/dev/null; then flags=$NODE_FLAGS; fi
{
  echo "$ENV_SLICE=$SLICE_FILE"
  echo "$ENV_INSTANCE=$INSTANCE"
  echo "$ENV_LOG=$LOG_FILE"
  echo "$ENV_ADDRESS=0.0.0.0"
  echo "$ENV_MESH_PORT=$MESH_PORT"
  if [[ $EDGE == 1 ]]; then echo "$ENV_EDGE_PORT=$EDGE_PORT"; fi
  echo "$ENV_CLOCK=chrony"
  echo "NODE_FLAGS=$flags"
} >"$CONFIG_DIR/node.env"

enter clock
# Amazon's default configuration points at the link-local time service, or at the host's PTP clock where there is one.
# It stays as it is: it is verified, as the user that the node runs as.
synchronised() {
  local tracking
  tracking=$(runuser -u "$NODE_USER" -- chronyc -c tracking) || return
  echo "chrony: $tracking"
  local reference
  reference=$(cut -d, -f1 <<<"$tracking")
  [[ $reference == "$TIME_REFERENCE" || $reference == 50484330 ]] && [[ $(cut -d, -f14 <<<"$tracking") == Normal ]]
}
attempt 30 2 synchronised

enter agent
sed -e "s|@INSTANCE@|$INSTANCE|g" -e "s|@SERVICE@|$SERVICE|g" -e "s|@LOG_GROUP@|$LOG_GROUP|g" \
  -e "s|@METRICS_NAMESPACE@|$METRICS_NAMESPACE|g" agent.json >"$CONFIG_DIR/agent.json"
touch "$LOG_FILE"
chown "$NODE_USER:" "$LOG_FILE"
"$AGENT_CONTROL" -a fetch-config -m ec2 -s -c "file:$CONFIG_DIR/agent.json"

enter node
systemctl daemon-reload
systemctl enable --now microcosm.service microcosm-log-keeper.timer

enter ready
ready() {
  curl --silent --fail --max-time 2 --output /dev/null "http://127.0.0.1:$MESH_PORT$READY_PATH" || return
  [[ $EDGE == 0 ]] || curl --silent --fail --max-time 2 --output /dev/null "http://127.0.0.1:$EDGE_PORT$READY_PATH"
}
wait_until_ready() {
  local i
  for ((i = 0; i < READY_TRIES; i++)); do
    ready && return
    sleep 1
  done
  journalctl --unit microcosm.service --lines 5 --output cat --no-pager || true
  echo "not ready after $READY_TRIES s"
  return 1
}
wait_until_ready

enter signal
signal SUCCESS "$INSTANCE is ready" || echo "setup: nobody waits for the signal (a host made again after its deployment)"
enter done
