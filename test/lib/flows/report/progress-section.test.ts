import test from 'ava';
import type { Concurrency } from '../../../../lib/flows/concurrency/concurrency';
import { progressSection } from '../../../../lib/flows/report/progress-section';

const series = (mean: number) => ({ mean, peak: 9, peakAtMost: 11, means: [0, mean, 2 * mean], peaks: [0, 9, 9] });

const concurrency: Concurrency = {
  startTime: '2026-11-21T05:44:29.000Z',
  endTime: '2026-11-21T05:44:32.000Z',
  lengthMs: 3000,
  resolutionMs: 1,
  bucketMs: 1000,
  untimed: 0,
  services: [1, 2, 3, 4, 5, 60].map((mean) => ({ ...series(mean), service: `s${mean}&<b>` })),
  endpoints: [{ ...series(2), service: 's2', endpoint: 'GET /' }],
  instances: [{ ...series(2), service: 's2', instance: 's2-1' }],
  edges: [{ ...series(2), caller: 's1', callee: 's2 GET /' }],
};

test('the busiest services are lines that are read out, and all have their numbers in regions of their own', (t) => {
  const section = progressSection(concurrency);
  for (const picture of section.split('class="chart narrow"')) {
    t.deepEqual(
      picture.match(/<path class="line s\d/g),
      [0, 1, 2, 3, 4].map((line) => `<path class="line s${line}`),
    );
  }
  t.regex(section, /role="img" aria-label="[^"]*in steps of 1 s: s60&amp;&lt;b&gt; 60\.0, at most 9; s5/);
  t.false(section.includes('<b>'));
  const regions = section.match(/tabindex="0" role="region" aria-label="[^"]*"/g) ?? [];
  t.deepEqual(
    regions.map((region) => region.split(', ')[1]?.slice(0, -1)),
    ['services', 'endpoints', 'instances', 'calls outstanding'],
  );
  t.regex(section, /<th scope="row">s1 → s2 GET \/<\/th><td>2\.00<\/td><td>9<small title="within 1 ms"> to 11</);
});

test('the names at the ends of lines cover neither each other nor the axis', (t) => {
  const pictures = progressSection(concurrency).split('class="chart narrow"');
  t.is(pictures.length, 2);
  for (const picture of pictures) {
    const labels = picture.matchAll(/<text class="series s\d" x="\d+" y="([\d.]+)"/g);
    const heights = Array.from(labels, ([, y]) => Number(y)).sort((a, b) => a - b);
    t.is(heights.length, 5);
    t.true(heights.every((height, index) => index === 0 || height - (heights[index - 1] as number) >= 12.9));
    t.true(heights.every((height) => height >= 8 && height <= 200));
  }
});

test('a run of which no request has both ends has no such section', (t) => {
  t.is(progressSection(null), '');
  t.is(progressSection({ ...concurrency, services: [] }), '');
});

test('long names that differ at their ends are still told apart', (t) => {
  const services = ['warehouse-of-the-north-api', 'warehouse-of-the-north-db'].map((service) => ({
    ...series(1),
    service,
  }));
  const section = progressSection({ ...concurrency, services });
  const names = Array.from(section.matchAll(/<text class="series[^>]*>([^<]*)/g), ([, name]) => name);
  t.is(new Set(names).size, 2);
  t.true(names.every((name) => (name ?? '').length <= 16));
});
