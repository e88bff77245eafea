/** The server's statistics as a page to read. */

import type { Statistics, StatisticsGroup } from "./protocol.ts";

/** Markdown: first the counts, then a table for every group. */
export function statisticsPage(statistics: Statistics): string {
  const entries = Object.entries(statistics);
  const counts = entries.filter((entry): entry is [string, number] => typeof entry[1] === "number");
  const groups = entries.filter((entry): entry is [string, StatisticsGroup] => typeof entry[1] === "object");
  return [
    "# Lacuna: statistics since the server's start",
    "Counted on this machine, and never sent anywhere.",
    table(["what", "count"], counts.map(([name, count]) => [words(name), count])),
    ...groups.map(([name, group]) => `## ${TITLES[name] ?? words(name)}\n\n${groupTable(group)}`),
  ].join("\n\n");
}

const TITLES: Record<string, string> = {
  outcomes: "How requests ended",
  forwards: "Passes through the network, per request",
  ms: "Milliseconds per stage",
};

function groupTable(group: StatisticsGroup): string {
  const rows = Object.entries(group);
  const nested = rows.map(([, value]) => value).find((value) => typeof value === "object");
  if (nested === undefined) {
    return table(["what", "value"], rows.map(([name, value]) => [words(name), value as number]));
  }
  const columns = Object.keys(nested);
  return table(
    ["stage", ...columns],
    rows.map(([name, value]) => [words(name), ...columns.map((column) => (value as Record<string, number>)[column] ?? 0)]),
  );
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  if (rows.length === 0) {
    return "Nothing yet.";
  }
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}
