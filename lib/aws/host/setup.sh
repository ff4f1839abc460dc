#!/usr/bin/env bash
# Turns a fresh Amazon Linux 2023 machine into one node of a topology. Started once by the user data, which sets
#   INSTANCE SERVICE TOPOLOGY EDGE LOG_GROUP METRICS_NAMESPACE SIGNAL_URL
# and, where live faults are switched on, FAULT_KEY_ARN, GRAPH_PARAMETER and, at an edge that is open to them, PUBLIC_FAULTS,
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
  local words node
  words=$(sed "1,/^setup: $phase\$/d" "$log" | tail -n 4 | tr -s '\n\t ' ' ' | tail -c 500)
  node=$(node_words | tr -s '\n\t ' ' ' | head -c 400)
  echo "setup: $phase failed ($1): $2"
  signal FAILURE "$INSTANCE, phase $phase: ${node:+the node said: ${node% }; }$2 ended with $1${words:+: $words}" \
    || echo "setup: the failure could not be signalled"
  exit 1
}

# How the node's last start began to complain: its own lines, without what systemd says of the unit.
node_words() {
  journalctl _SYSTEMD_UNIT=microcosm.service --lines 200 --output json --no-pager 2>/dev/null | python3 -c '
import json, sys
starts = {}
for line in sys.stdin:
    entry = json.loads(line)
    starts.setdefault(entry.get("_PID"), []).append(str(entry.get("MESSAGE")))
print("\n".join([*starts.values()][-1][:3]) if starts else "")' || true
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
  "$@" || fail $? "$*"
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
  if [[ -n ${PUBLIC_FAULTS:-} ]]; then echo "$ENV_PUBLIC_FAULTS=$PUBLIC_FAULTS"; fi
  echo "NODE_FLAGS=$flags"
} >"$CONFIG_DIR/node.env"

if [[ -n ${FAULT_KEY_ARN:-} ]]; then
  enter key
  # From Secrets Manager straight into a file of root's: it passes no command line, no variable and no log.
  fetch_key() {
    (umask 0377 && aws secretsmanager get-secret-value --secret-id "$FAULT_KEY_ARN" \
      --query SecretString --output text >"$KEY_FILE") || return
  }
  attempt 18 10 fetch_key
  if ! grep --extended-regexp --line-regexp --quiet '[0-9a-f]{64}' "$KEY_FILE"; then
    echo "the secret holds no key of 64 hexadecimal digits"
    false
  fi
  install -D -m 0644 faults.conf /etc/systemd/system/microcosm.service.d/faults.conf

  enter graph
  {
    echo "AWS_DEFAULT_REGION=$AWS_DEFAULT_REGION"
    echo "GRAPH_PARAMETER=$GRAPH_PARAMETER"
  } >"$CONFIG_DIR/graph.env"
  chmod 0755 "$PROGRAM_DIR/fetch-graph.sh"
  attempt 18 10 ./fetch-graph.sh
  install -m 0644 microcosm-graph.service microcosm-graph.timer /etc/systemd/system/
  timers=microcosm-graph.timer
fi

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
# shellcheck disable=SC2086
systemctl enable --now microcosm.service microcosm-log-keeper.timer ${timers:-}

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
  fail 1 "readiness check, asked for $READY_TRIES s,"
}
wait_until_ready

enter signal
signal SUCCESS "$INSTANCE is ready" || echo "setup: nobody waits for the signal (a host made again after its deployment)"
enter done
