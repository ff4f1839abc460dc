import { join } from 'node:path';
import test from 'ava';
import ts from 'typescript';

const folder = __dirname;
const root = join(folder, '..', '..', '..');

/** Diagnostics of a topology file as the compiler sees it, with the project's own settings. */
function compile(...sources: readonly string[]): readonly (readonly string[])[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const files = new Map(sources.map((source, i) => [join(folder, `topology-${i}.ts`), `${HEAD}\n${source}`]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, language, ...rest) => {
    const text = files.get(name);
    return text === undefined
      ? getSourceFile(name, language, ...rest)
      : ts.createSourceFile(name, text, language, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].map((name) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(name))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
  );
}

const HEAD = "import { topology } from '../../../lib/model/spec';";
const CATALOG = "catalog: { endpoints: { 'GET /items': {}, 'POST /items': {} } }, cart: {}";
const file = (web: string) => `export default topology({ services: { web: { edge: true, ${web} }, ${CATALOG} } });`;

test('a misspelt callee, endpoint or key does not compile, and what is right does', (t) => {
  const [right, callee, nested, endpoint, send, option] = compile(
    file(
      "steps: ['cart', ['catalog GET /items', { call: 'cart', count: { uniform: [1, 2] } }], { send: 'catalog POST /items' }]",
    ),
    file("calls: ['crat']"),
    file("endpoints: { 'GET /': { steps: [{ parallel: ['cart', ['crat']] }] } }"),
    file("calls: ['catalog GET /itms']"),
    file("steps: [{ send: 'catalog POST /itms' }]"),
    file("steps: [{ call: 'cart', optionl: true }]"),
  );
  t.deepEqual(right, []);
  t.regex(callee?.join() ?? '', /"crat"/);
  t.regex(nested?.join() ?? '', /"crat"|not assignable/);
  t.regex(endpoint?.join() ?? '', /"catalog GET \/itms"/);
  t.regex(send?.join() ?? '', /catalog POST \/itms|not assignable/);
  t.regex(option?.join() ?? '', /optionl/);
});

test('a scenario that misspells a service, a callee or an endpoint does not compile, and one that is right does', (t) => {
  const scenario = (steps: string, expect = '') =>
    `export default topology({ services: { web: { edge: true, calls: ['cart'] }, ${CATALOG} }, scenarios: { sale: { steps: [${steps}], expect: [${expect}] } } });`;
  const [right, service, endpoint, callee, time, subject, caller] = compile(
    scenario(
      "{ at: '1s', for: '2s', fault: { service: 'catalog', endpoint: 'GET /items', type: 'latency', at: 'before', args: { delay: 3 } } }, { at: '1.5s', scale: { service: 'cart', replicas: 2 } }, { at: '2s', connect: { from: 'web', to: 'catalog GET /items' } }",
      "{ of: 'catalog GET /items', errors: { atMost: 0.1 } }, { of: { from: 'client', to: 'web' }, responseTime: { percentile: 99, atMostMs: 9 } }, { recovered: { after: 'x', within: '1s', errors: { atMost: 0 } } }",
    ),
    scenario("{ at: '1s', scale: { service: 'crat', replicas: 2 } }"),
    scenario("{ at: '1s', work: { service: 'catalog', endpoint: 'GET /itms', latencyMs: 1 } }"),
    scenario("{ at: '1s', connect: { from: 'web', to: 'crat' } }"),
    scenario("{ at: '1 second', scale: { service: 'cart', replicas: 2 } }"),
    scenario('', "{ of: 'catalog GET /itms', errors: { atMost: 0.1 } }"),
    scenario('', "{ of: { from: 'wbe', to: 'cart' }, errors: { atMost: 0.1 } }"),
  );
  t.deepEqual(right, []);
  for (const wrong of [service, endpoint, callee, time, subject, caller]) t.not(wrong?.length, 0);
});
