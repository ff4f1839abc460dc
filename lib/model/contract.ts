/**
 * The names that two sides must agree on, each written once: whoever sets one and whoever reads it import it from here.
 */

export const HEADERS = {
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  baggage: 'baggage',
  requestId: 'x-request-id',
  /** Hybrid logical clock, on requests and responses. */
  clock: 'x-microcosm-clock',
  /** Place of the request in its call tree: 16 hexadecimal digits. */
  place: 'x-microcosm-place',
  /** Remaining milliseconds, a whole number. */
  deadline: 'x-microcosm-deadline',
  /** Epoch of the sender's topology. */
  epoch: 'x-microcosm-epoch',
  /** Name of the sending instance. */
  caller: 'x-microcosm-caller',
  /** Leave to run an itinerary: see `token.ts`. */
  token: 'x-microcosm-token',
  /** RFC 7240; `respond-async` asks for 202 and later work: a `send`. */
  prefer: 'prefer',
} as const;

/** What only a declared caller may say: an edge port removes these before anything reads them. */
export const MESH_ONLY_HEADERS: readonly string[] = [
  HEADERS.place,
  HEADERS.deadline,
  HEADERS.epoch,
  HEADERS.caller,
  HEADERS.prefer,
];

export const BAGGAGE = { run: 'microcosm-run', key: 'microcosm-key', overlay: 'microcosm-overlay' } as const;
/** What a request key from baggage looks like; anything else is ignored and the trace id serves. */
export const KEY_GRAMMAR = /^[A-Za-z0-9._-]{1,64}$/;

export const RESPOND_ASYNC = 'respond-async';

/** `/healthz`: the process answers. `/readyz`: it is configured, listens, and its resolver answers. */
export const RESERVED_PATHS = { alive: '/healthz', ready: '/readyz' } as const;

/** Name of an itinerary's hop where endpoints have theirs: no `METHOD /path`, so that no topology can declare it. */
export const ITINERARY_ENDPOINT = 'itinerary';
/** How an itinerary is recognised; its path serves too where faults are switched on at the edge. */
export const ITINERARY = { contentType: 'application/vnd.microcosm.itinerary+json', path: '/itinerary' } as const;
/** Scheme of the `authorization` header on a control interface. */
export const TOKEN_SCHEME = 'Microcosm';

/** How a launcher, here or on AWS, tells a node what it is. */
export const ENVIRONMENT = {
  /** Path of the JSON file with the node's slice of the topology. */
  slice: 'MICROCOSM_SLICE',
  /** Name of the instance, such as `catalog-2`. */
  instance: 'MICROCOSM_INSTANCE',
  /** Path of the event log; `-` is standard output. */
  log: 'MICROCOSM_LOG',
  /** Address to listen on. */
  address: 'MICROCOSM_ADDRESS',
  meshPort: 'MICROCOSM_MESH_PORT',
  edgePort: 'MICROCOSM_EDGE_PORT',
  /** DNS server as `address:port`; the system's when unset. */
  resolver: 'MICROCOSM_RESOLVER',
  /** Where the clock's error bound comes from: a `ClockSource`. */
  clock: 'MICROCOSM_CLOCK',
  /** How often this instance was started before, a whole number; 0 when unset. SERVICE_UP's detail carries it. */
  restarts: 'MICROCOSM_RESTARTS',
  /**
   * Path of the file with the deployment's key (`KEY_TEXT` of `token.ts`), readable by its owner alone. Without it the node
   * has no control interface and takes no itinerary and no overlay.
   */
  key: 'MICROCOSM_KEY',
  /** Port of the control interface, which listens on loopback only; 0, or unset, takes a free one. */
  controlPort: 'MICROCOSM_CONTROL_PORT',
  /**
   * Path of a file in which the node keeps the slice that a live change has given it, and from which it starts again. For
   * hosts whose launcher does not put the changed slice in the place of the first.
   */
  liveSlice: 'MICROCOSM_LIVE_SLICE',
  /** Path of a JSON file with the callees of every service: what an itinerary may visit. Read anew for each. */
  graph: 'MICROCOSM_GRAPH',
  /** `on` lets itineraries and overlays in at the edge port too, with a token as everywhere. */
  publicFaults: 'MICROCOSM_PUBLIC_FAULTS',
  /**
   * Instead of all of the above: path of a JSON array with one object a node, whose keys are the names of this record
   * (`slice`, `instance`, ...) and whose values are texts as above. All of them then share one process.
   */
  inline: 'MICROCOSM_INLINE',
} as const;

/** Ports on AWS. Here each instance gets free ones. */
export const PORTS = { mesh: 8080, edge: 8081, control: 9090 } as const;

export const DNS = {
  suffix: 'microcosm.internal',
  ttlSeconds: 10,
  /** How long a resolver may remember that a name does not exist: the SOA record's TTL. */
  negativeTtlSeconds: 5,
  /** Cloud Map's MULTIVALUE routing answers with at most so many healthy instances, chosen at random. */
  maxAnswers: 8,
} as const;

/** `catalog.shop.microcosm.internal` */
export function serviceDomain(service: string, topology: string): string {
  return `${service}.${namespace(topology)}`;
}

/** `shop.microcosm.internal` */
export function namespace(topology: string): string {
  return `${topology}.${DNS.suffix}`;
}

/** Host part of an SRV target, as Cloud Map writes it: `catalog-2.catalog.shop.microcosm.internal`. */
export function instanceDomain(instance: string, service: string, topology: string): string {
  return `${instance}.${serviceDomain(service, topology)}`;
}

/** `catalog-2`, counted from 1. */
export function instanceName(service: string, replica: number): string {
  return `${service}-${replica}`;
}

/** Of all replicas of a service. */
export function instanceNames(service: string, replicas: number): readonly string[] {
  return Array.from({ length: replicas }, (_, index) => instanceName(service, index + 1));
}

export function stackName(topology: string): string {
  return `Microcosm-${topology}`;
}

export function logGroupName(topology: string): string {
  return `/microcosm/${topology}`;
}

/** Parameter of Systems Manager that says where the calls of the topology are, as `bucket/key`. */
export function graphParameterName(topology: string): string {
  return `/microcosm/${topology}/graph`;
}

/** Outputs of the stack that traffic is directed by. */
export const STACK_OUTPUTS = {
  edgeUrl: 'EdgeUrl',
  logGroup: 'LogGroup',
  topologyHash: 'TopologyHash',
  /** ARN of the secret with the key of live faults; only where they are switched on. */
  faultKey: 'FaultKeyArn',
  /** `on`; only where itineraries and overlays are let in at the edge. */
  publicFaults: 'PublicFaults',
} as const;

/** Tags of a machine that say what it bears. */
export const HOST_TAGS = { service: 'microcosm:service', instance: 'microcosm:instance' } as const;

/** Name under which the load driver logs; no service may have it. */
export const CLIENT_SERVICE = 'client';

/** Local state, below the working directory. */
export const STATE = {
  root: '.microcosm',
  /** One folder a run: its manifest and logs as the reader sees them. */
  runs: '.microcosm/runs',
  /** One folder a local deployment: its record, slices and logs. */
  deployments: '.microcosm/deployments',
  manifest: 'manifest.jsonl',
  clientLog: 'client.log',
  deployment: 'deployment.json',
  logs: 'logs',
  slices: 'slices',
  /** The callees of every service; see `ENVIRONMENT.graph`. */
  graph: 'graph.json',
  /** The deployment's key; see `ENVIRONMENT.key`. */
  key: 'key',
  /** One line a live change, of a deployment and of the runs that it befell. */
  epochs: 'epochs.jsonl',
} as const;

/** Bounds on what a node takes in. */
export const LIMITS = {
  headerBytes: 16_384,
  bodyBytes: 1_048_576,
  /** An answer of a callee, with all answers nested in it. */
  answerBytes: 16_777_216,
  /** W3C Baggage: at least 64 members and 8,192 bytes must be propagated; no more are. */
  baggageBytes: 8_192,
  baggageMembers: 64,
  /** A slice that a running node is given. */
  sliceBytes: 8_388_608,
  /** Hops of an itinerary, one within the other. */
  itineraryDepth: 32,
  /** All its hops, where its routes branch. */
  itineraryHops: 256,
  /** Queued `send`s of one instance; further ones are answered 503. */
  queuedSends: 1_000,
  /** A hybrid clock from outside further ahead than this is ignored and logged. */
  clockAheadMs: 60_000,
} as const;

/** Longest time that a node's stop waits for work under way. */
export const STOP_BOUND_MS = 10_000;

/** Runs longer than this are sequence-numbered anew in CLOCK events. */
export const CLOCK_PERIOD_MS = 10_000;

/** What a node tells the process that started it, over IPC, once it listens: one message for each node. */
export interface ReadyMessage {
  readonly kind: 'ready';
  readonly instance: string;
  readonly service: string;
  readonly meshPort: number;
  /** Null where the service is no edge. */
  readonly edgePort: number | null;
  /** Null where no key is configured. */
  readonly controlPort: number | null;
}
