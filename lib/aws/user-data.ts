import { graphParameterName } from '../model/contract';
import { HOST } from './host';

export interface UserDataParts {
  readonly region: string;
  readonly instance: string;
  readonly service: string;
  readonly topology: string;
  readonly edge: boolean;
  readonly logGroup: string;
  readonly metricsNamespace: string;
  /** `bucket/key` of the host files and of the slice. */
  readonly files: string;
  readonly slice: string;
  /** ARN of the secret with the key of live faults; null where they are switched off. */
  readonly faultKey: string | null;
  /** Whether the edge lets itineraries and overlays in: of no concern to other hosts. */
  readonly publicFaults: boolean;
  /** Pre-signed address that tells CloudFormation how it went. */
  readonly signalUrl: string;
}

/**
 * The script that cloud-init runs once on a new host: fetches the host's files and its slice, and hands over to
 * `setup.sh`. It knows its own service and nothing else of the topology, so that no other service's change replaces it.
 */
export function userData(parts: UserDataParts): string {
  return `#!/bin/bash
set -Eeuo pipefail
export AWS_DEFAULT_REGION='${parts.region}' INSTANCE='${parts.instance}' SERVICE='${parts.service}' TOPOLOGY='${parts.topology}'
export EDGE=${parts.edge ? 1 : 0} LOG_GROUP='${parts.logGroup}' METRICS_NAMESPACE='${parts.metricsNamespace}'${faultSettings(parts)}
export SIGNAL_URL='${parts.signalUrl}'
trap 'curl -sf --retry 8 -X PUT -H Content-Type: --data-binary "{\\"Status\\":\\"FAILURE\\",\\"Reason\\":\\"$INSTANCE, phase fetch: line $LINENO ended with $?\\",\\"UniqueId\\":\\"$INSTANCE\\",\\"Data\\":\\"\\"}" "$SIGNAL_URL"' ERR
mkdir -p ${HOST.programFolder} ${HOST.configFolder}
cd ${HOST.programFolder}
fetch() { for i in 1 2 3 4 5; do aws s3 cp --only-show-errors "s3://$1" "$2" && return; sleep 5; done; return 1; }
fetch '${parts.files}' host.zip
fetch '${parts.slice}' ${HOST.slice}
python3 -m zipfile -e host.zip .
trap - ERR
exec bash setup.sh
`;
}

function faultSettings({ faultKey, publicFaults, topology, edge }: UserDataParts): string {
  if (faultKey === null) return '';
  const open = edge && publicFaults ? ' PUBLIC_FAULTS=on' : '';
  return ` FAULT_KEY_ARN='${faultKey}' GRAPH_PARAMETER='${graphParameterName(topology)}'${open}`;
}
