import { explainSlowest } from '../lib/flows/analysis/explain-tail';
import type { Flow } from '../lib/flows/flow';
import { chrome } from '../lib/flows/formats/chrome';
import { csv } from '../lib/flows/formats/csv';
import { dot } from '../lib/flows/formats/dot';
import { jaeger } from '../lib/flows/formats/jaeger';
import { labelLines, labelsCsv } from '../lib/flows/formats/labels';
import { mermaid } from '../lib/flows/formats/mermaid';
import { otlp } from '../lib/flows/formats/otlp';
import { mapServices } from '../lib/flows/formats/service-map';
import { SHIVIZ_EVENT_PATTERN, SHIVIZ_EXECUTION_PATTERN, shiviz } from '../lib/flows/formats/shiviz';
import { svg } from '../lib/flows/formats/svg';
import type { FlowLabel } from '../lib/flows/labels/label';
import { labelRun } from '../lib/flows/labels/label-run';
import type { Run } from '../lib/flows/read-run';
import { reportHtml } from '../lib/flows/report/report-html';
import type { RunReport } from '../lib/flows/run-report';
import { UserError } from '../lib/model/user-error';

/** What other tools read, with what each is for. */
export const EXPORTS = {
  html: 'one self-contained page: charts, service map, list of flows, waterfalls, clocks',
  otlp: "OpenTelemetry's OTLP/JSON, a TracesData a line",
  jaeger: "for the upload in Jaeger's UI",
  chrome: 'trace events for https://ui.perfetto.dev',
  mermaid: 'a sequence diagram of one flow (with --flow)',
  dot: 'the service map for Graphviz',
  svg: 'the service map as a picture',
  shiviz: `vector clocks for ShiViz; its pattern is ${SHIVIZ_EVENT_PATTERN} and its delimiter ${SHIVIZ_EXECUTION_PATTERN}`,
  csv: 'a row a span',
  labels: 'ground truth, a flow a line as JSON: injected faults, what came of them, what would have been without',
  'labels-csv': 'the same, a row a span',
} as const satisfies Readonly<Record<string, string>>;

export type ExportFormat = keyof typeof EXPORTS;

export function isExport(format: string): format is ExportFormat {
  return Object.hasOwn(EXPORTS, format);
}

/** @param flows goes through the flows to export, anew at each call */
export function exportFlows(
  format: ExportFormat,
  flows: () => Iterable<Flow>,
  report: RunReport,
  run: Run,
): Iterable<string> | AsyncIterable<string> {
  switch (format) {
    case 'html':
      return reportHtml({ report, flows, tail: explainSlowest(run, report.statistics) });
    case 'otlp':
      return otlp(flows(), report);
    case 'jaeger':
      return jaeger(flows(), report);
    case 'chrome':
      return chrome(flows(), report);
    case 'mermaid':
      return Array.from(flows(), mermaid);
    case 'dot':
      return [dot(mapServices(flows()), report.topology)];
    case 'svg':
      return [svg(mapServices(flows()), report.topology)];
    case 'shiviz':
      return shiviz(flows());
    case 'csv':
      return csv(flows());
    case 'labels':
      return labelLines(labelsOf(run, flows()));
    case 'labels-csv':
      return labelsCsv(labelsOf(run, flows()));
    default:
      return format satisfies never;
  }
}

function labelsOf(run: Run, flows: Iterable<Flow>): Iterable<FlowLabel> {
  const labels = labelRun(run, flows);
  if (labels) return labels;
  throw new UserError({
    where: run.run,
    problem: 'its topology is not recorded, so that its draws are not known',
    remedy: 'label a run that tools/load.ts made against a deployment',
  });
}
