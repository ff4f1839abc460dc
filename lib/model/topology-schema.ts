import type { JsonSchema } from './shape';
import { DEFINITIONS, topologyShape } from './topology-shape';

/** Where the schema stands in the repository. */
export const SCHEMA_FILE = 'topologies/schema.json';

/** JSON Schema (draft 2020-12) of a topology as JSON or YAML: what `validate` says of its shape. */
export function topologySchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Microcosm topology',
    ...topologyShape.schema,
    $defs: DEFINITIONS,
  };
}
