import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEMA_FILE, topologySchema } from '../lib/model/topology-schema';
import { runCommand } from './command';

runCommand((program) => {
  program
    .name('schema')
    .description(`Writes the JSON Schema of a topology to ${SCHEMA_FILE}, for editors.`)
    .action(() => {
      writeFileSync(join(__dirname, '..', SCHEMA_FILE), `${JSON.stringify(topologySchema(), null, 2)}\n`);
    });
});
