import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

/** Logs Insights queries over the event log, by what they show; `RUN` and `TRACE` stand for what the reader fills in. */
export const QUERIES: Readonly<Record<string, string>> = {
  'flows of a run': `filter run = "RUN" and event = "RESPONSE_SENT"
| stats min(@timestamp) as start, max(durationMs) as ms, count(*) as requests, max(status) as status by traceId
| sort start asc
| limit 1000`,
  'one flow': `filter traceId = "TRACE"
| fields @timestamp, event, instance, endpoint, callee, step, attempt, status, durationMs, error.kind
| sort hlc asc
| limit 10000`,
  'errors by service': `filter event = "ERROR" or (event = "RESPONSE_SENT" and status >= 500)
| stats count(*) as errors by service, event, error.kind, status
| sort errors desc`,
  'slowest edges': `filter event = "RESPONSE_RECEIVED"
| stats count(*) as calls, pct(durationMs, 50) as p50, pct(durationMs, 99) as p99, max(durationMs) as slowest by service, callee
| sort p99 desc
| limit 100`,
  'clock health': `filter event = "CLOCK"
| stats max(clock.boundMs) as worstBoundMs, latest(clock.source) as source, latest(clock.referenceId) as reference, count(*) as reports by instance
| sort worstBoundMs desc`,
};

export interface SavedQueriesProps {
  readonly topology: string;
  readonly logGroup: string;
}

export class SavedQueries extends Construct {
  constructor(scope: Construct, id: string, { topology, logGroup }: SavedQueriesProps) {
    super(scope, id);
    for (const [name, queryString] of Object.entries(QUERIES)) {
      new logs.CfnQueryDefinition(this, name.replaceAll(' ', '-'), {
        name: `microcosm/${topology}/${name}`,
        logGroupNames: [logGroup],
        queryString,
      });
    }
  }
}
