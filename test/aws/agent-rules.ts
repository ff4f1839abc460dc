/**
 * The rules of the CloudWatch agent's published JSON schema that bear on what hosts are given, and the placeholders that
 * its translator fills in: amazon-cloudwatch-agent (MIT licence), `translator/config/schema.json` and
 * `translator/translate/util`. An object admits the keys named here and no others, as the schema does.
 */
type Rule =
  | { readonly kind: 'object'; readonly required?: readonly string[]; readonly keys: Readonly<Record<string, Rule>> }
  | { readonly kind: 'list'; readonly of: Rule; readonly least: number }
  | { readonly kind: 'text'; readonly pattern?: RegExp; readonly longest?: number; readonly placeholders?: boolean }
  | { readonly kind: 'integer'; readonly least: number; readonly most?: number }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'texts' };

const text = (pattern?: RegExp, longest = 4096): Rule => ({ kind: 'text', longest, ...(pattern && { pattern }) });
const filled = (longest: number): Rule => ({ kind: 'text', longest, placeholders: true });
const interval: Rule = { kind: 'integer', least: 1, most: 172_800 };

const plugin = (metrics: RegExp): Rule => ({
  kind: 'object',
  required: ['measurement'],
  keys: {
    measurement: { kind: 'list', of: text(metrics), least: 1 },
    metrics_collection_interval: interval,
    append_dimensions: { kind: 'texts' },
    totalcpu: { kind: 'boolean' },
    resources: { kind: 'list', of: text(), least: 1 },
  },
});

const AGENT: Rule = {
  kind: 'object',
  keys: {
    agent: {
      kind: 'object',
      keys: {
        metrics_collection_interval: interval,
        region: text(undefined, 255),
        debug: { kind: 'boolean' },
        omit_hostname: { kind: 'boolean' },
        logfile: text(),
        run_as_user: text(undefined, 255),
      },
    },
    metrics: {
      kind: 'object',
      required: ['metrics_collected'],
      keys: {
        namespace: text(undefined, 255),
        force_flush_interval: interval,
        append_dimensions: { kind: 'texts' },
        metrics_collected: {
          kind: 'object',
          keys: {
            cpu: plugin(/^(cpu_)?(usage|time)_(active|idle|iowait|user|system)$/),
            mem: plugin(/^(mem_)?used_percent$/),
          },
        },
      },
    },
    logs: {
      kind: 'object',
      required: ['logs_collected'],
      keys: {
        force_flush_interval: interval,
        log_stream_name: filled(512),
        logs_collected: {
          kind: 'object',
          keys: {
            files: {
              kind: 'object',
              required: ['collect_list'],
              keys: {
                collect_list: {
                  kind: 'list',
                  least: 1,
                  of: {
                    kind: 'object',
                    required: ['file_path'],
                    keys: {
                      file_path: text(/^./),
                      log_group_name: filled(512),
                      log_stream_name: filled(512),
                      log_group_class: text(/^(STANDARD|INFREQUENT_ACCESS)$/),
                      timestamp_format: text(/^(?:%[YmdbBeAaHIMSpyZzf-]|[^%])+$/),
                      timezone: text(/^(UTC|LOCAL|Local)$/),
                      multi_line_start_pattern: text(),
                      encoding: text(),
                      auto_removal: { kind: 'boolean' },
                      retention_in_days: { kind: 'integer', least: -1 },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};

/** In names of groups and streams the agent fills in these and leaves any other as it is. */
const PLACEHOLDERS = ['{instance_id}', '{hostname}', '{local_hostname}', '{ip_address}', '{date}'];

/** What the agent would refuse or misread in a configuration; empty where all is well. */
export function checkAgentConfiguration(configuration: unknown): readonly string[] {
  const faults: string[] = [];
  visit(configuration, AGENT, '', faults);
  return faults;
}

function visit(value: unknown, rule: Rule, path: string, faults: string[]): void {
  const expect = (ok: boolean, what: string): void => {
    if (!ok) faults.push(`${path || '(top)'}: ${JSON.stringify(value)} is no ${what}`);
  };
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  switch (rule.kind) {
    case 'object':
      if (!isObject) {
        expect(false, 'object');
        return;
      }
      for (const key of rule.required ?? []) if (!(key in value)) faults.push(`${path}/${key} is missing`);
      for (const [key, each] of Object.entries(value)) {
        const inner = rule.keys[key];
        if (inner) visit(each, inner, `${path}/${key}`, faults);
        else faults.push(`${path}/${key} is unknown`);
      }
      return;
    case 'list':
      if (!Array.isArray(value)) {
        expect(false, 'list');
        return;
      }
      expect(value.length >= rule.least && new Set(value).size === value.length, 'list of so many different things');
      for (const [index, each] of value.entries()) visit(each, rule.of, `${path}/${index}`, faults);
      return;
    case 'text': {
      if (typeof value !== 'string') {
        expect(false, 'text');
        return;
      }
      expect(value.length >= 1 && value.length <= (rule.longest ?? 4096), 'text of a length that is taken');
      expect(rule.pattern?.test(value) ?? true, `text like ${rule.pattern}`);
      expect(!/@[A-Z_]+@/.test(value), 'text that the set-up has filled in');
      for (const [placeholder] of value.matchAll(/\{[^}]*\}/g)) {
        expect(
          rule.placeholders === true && PLACEHOLDERS.includes(placeholder),
          `text the agent fills in (${placeholder})`,
        );
      }
      return;
    }
    case 'integer':
      expect(
        Number.isInteger(value) &&
          Number(value) >= rule.least &&
          Number(value) <= (rule.most ?? Number.MAX_SAFE_INTEGER),
        'whole number in its range',
      );
      return;
    case 'boolean':
      expect(typeof value === 'boolean', 'boolean');
      return;
    case 'texts':
      if (!isObject) {
        expect(false, 'object of texts');
        return;
      }
      expect(
        Object.values(value).every((each) => typeof each === 'string' && each !== ''),
        'object of texts',
      );
      return;
    default:
      rule satisfies never;
  }
}
