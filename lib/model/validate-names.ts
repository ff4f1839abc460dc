import { CLIENT_SERVICE, instanceName } from './contract';
import { isObject, type Report, show } from './shape';
import type { Survey } from './survey';
import { TOPOLOGY_NAME } from './topology-shape';

/** RFC 1035: a label holds at most 63 octets. */
const LABEL_OCTETS = 63;

/** Names that become DNS labels, log names and process names must fit there, and must not meet. */
export function checkNames(value: unknown, fallback: string | undefined, { services }: Survey, report: Report): void {
  if (isObject(value) && value.name === undefined && fallback !== undefined && !TOPOLOGY_NAME.test(fallback)) {
    const remedy = 'add a name: 1 to 32 lower-case letters, digits and dashes, a letter first and no dash last';
    report('name', `the file's base name ${show(fallback)} is no DNS label`, remedy);
  }
  const owners = new Map<string, string>();
  for (const [name, { where, replicas }] of services) {
    if (name === CLIENT_SERVICE) report(where, `${name} is the name under which the load driver logs`, 'rename it');
    const longest = instanceName(name, Math.max(1, replicas)).length;
    if (longest > LABEL_OCTETS) {
      const problem = `the name has ${name.length} characters, ${longest} with its replica's number`;
      report(where, problem, `shorten it: a DNS label holds ${LABEL_OCTETS}`);
    }
    const [, stem = '', number] = /^(.+)-([1-9]\d*)$/.exec(name) ?? [];
    if (number !== undefined && Number(number) <= (services.get(stem)?.replicas ?? 0)) owners.set(name, stem);
  }
  for (const [name, stem] of owners) {
    report(
      services.get(name)?.where ?? '',
      `${name} is also what an instance of ${stem} is called`,
      'rename one of them',
    );
  }
}
