// The counts by verdict and the station's figures.

import { createElement } from "./dom.js";
import { formatCount, formatMilliseconds, formatNumber, VERDICTS } from "./format.js";
import { verdictIcon } from "./icons.js";

export function verdictTiles(parts, chosen, choose) {
  const all = Object.values(parts).reduce((sum, more) => sum + more, 0);
  return Object.entries(VERDICTS).map(([verdict, name]) =>
    createElement(
      "button",
      {
        class: `verdict ${verdict}`,
        "data-key": verdict,
        "aria-pressed": chosen === verdict ? "true" : "false",
        title: `Show only parts with verdict ${name}`,
        onclick: () => choose(verdict),
      },
      createElement("span", { class: "verdict-name" }, verdictIcon(verdict, 22), name),
      createElement("strong", { class: (parts[verdict] ?? 0) > 9999 ? "long" : null }, formatCount(parts[verdict] ?? 0)),
      createElement("span", { class: "share" }, formatShare(parts[verdict] ?? 0, all)),
    ),
  );
}

function formatShare(part, all) {
  if (!all) return "–";
  const percent = (100 * part) / all;
  const some = part > 0 && part < all;
  if (some && percent < 0.1) return `under 0.1 % of ${formatCount(all)}`;
  if (some && percent > 99.9) return `over 99.9 % of ${formatCount(all)}`;
  return `${percent.toFixed(some && (percent < 10 || percent > 99) ? 1 : 0)} % of ${formatCount(all)}`;
}

export function figureTiles(summary) {
  const latency = summary.latency_ms;
  return [
    buildTile("Rate", formatNumber(summary.rate_hz, 1), "parts/s", `${formatCount(Math.round(summary.rate_hz * 60))} parts/min`),
    latencyTile("Trigger to verdict", latency.trigger_to_verdict),
    latencyTile("Models", latency.model_only),
    latencyTile("Overhead", latency.overhead),
    latencyTile("Per image", latency.per_image),
    buildTile("Gate", formatCount(summary.gate.passed), "passed", `${formatCount(summary.gate.rejected)} rejected · ${formatCount(summary.gate.unconfirmed)} not confirmed`, summary.gate.unconfirmed > 0),
    recordsTile(summary.records),
  ];
}

const formatPlural = (number, noun) => `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;

function recordsTile({ received, duplicates, refused, conflicts, unseen }) {
  const words = [
    formatPlural(duplicates, "duplicate"),
    formatPlural(refused, "dead letter"),
    ...(conflicts ? [formatPlural(conflicts, "conflict")] : []),
    ...(unseen ? [`${formatCount(unseen)} not inspected`] : []),
  ];
  return buildTile("Records", formatCount(received), "stored", words.join(" · "), refused + conflicts + unseen > 0);
}

function buildTile(name, value, unit, small, warn = false, title = null) {
  return createElement(
    "div",
    { class: warn ? "figure warn" : "figure", title: title || null },
    createElement("span", { class: "figure-name" }, name),
    createElement("span", { class: "figure-value" }, createElement("strong", {}, value), ` ${unit}`),
    createElement("span", { class: "figure-small" }, small),
  );
}

function latencyTile(name, figures) {
  const [value, unit] = formatMilliseconds(figures.p50).split(" ");
  const small = figures.p50 === null ? "no verdict yet" : `p95 ${formatNumber(figures.p95, 0)} · max ${formatNumber(figures.max, 0)}`;
  const title = figures.p50 === null ? "" : `p50 ${figures.p50} ms, p95 ${figures.p95} ms, p99 ${figures.p99} ms, max ${figures.max} ms`;
  return buildTile(name, value, unit ? `${unit} median` : "", small, false, title);
}
