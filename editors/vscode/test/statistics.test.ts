import assert from "node:assert/strict";
import { test } from "node:test";
import { statisticsPage } from "../src/statistics.ts";

test("counts, groups of counts and percentiles become tables", () => {
  const page = statisticsPage({
    requests: 12,
    accepted: 3,
    outcomes: { low_confidence: 4, shown: 8 },
    forwards: { p50: 5, p90: 9 },
    ms: { encode: { p50: 1.5, p90: 2 }, denoise: { p50: 200, p90: 300 } },
  });
  assert.match(page, /\| requests \| 12 \|\n\| accepted \| 3 \|/);
  assert.match(page, /## How requests ended\n\n\| what \| value \|\n\| --- \| ---: \|\n\| low confidence \| 4 \|\n/);
  assert.match(page, /\| stage \| p50 \| p90 \|\n\| --- \| ---: \| ---: \|\n\| encode \| 1.5 \| 2 \|\n\| denoise/);
});

test("a server that was not asked yet has a page too", () => {
  const page = statisticsPage({ requests: 0, outcomes: {}, ms: {} });
  assert.equal(page.match(/Nothing yet\./g)?.length, 2);
});
