/** Where things are on a host. */
export const HOST = {
  programFolder: '/opt/microcosm',
  configFolder: '/etc/microcosm',
  slice: '/etc/microcosm/slice.json',
  /** Root's alone; only where live faults are switched on. */
  key: '/etc/microcosm/key',
  /** The callees of every service; only where live faults are switched on. */
  graph: '/etc/microcosm/graph.json',
  logFolder: '/var/log/microcosm',
  log: '/var/log/microcosm/events.log',
  /** Where the agent remembers what of the log it has delivered. */
  agentState: '/opt/aws/amazon-cloudwatch-agent/logs/state/_var_log_microcosm_events.log',
  agentControl: '/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl',
  nodePackage: 'nodejs24',
  nodeBinary: '/usr/bin/node-24',
  user: 'microcosm',
} as const;

export const HOST_BOUNDS = {
  /** Size of a host's only volume. The system takes about 3 GiB of it. */
  volumeGib: 16,
  /** How much of the log may wait for CloudWatch before the node is stopped: 1.7 hours at 1,000 requests/s or so. */
  backlogBytes: 8 * 1024 ** 3,
  /** What stays of the delivered part, for whoever looks at the host. */
  keepBytes: 64 * 1024 ** 2,
  /** From launch to signal; a host takes two to three minutes. */
  readySeconds: 900,
  /** How long systemd waits before it kills the node, which itself stops waiting for work after 10 s. */
  stopSeconds: 30,
  /**
   * How long a host may hold to calls that a deployment has changed. Two thousand hosts, the most of a topology, so stay below
   * half of the 40 reads of parameters a second that an account has.
   */
  graphSeconds: 120,
} as const;
