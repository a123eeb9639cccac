// The counts by verdict and the station's figures.

import { make } from "./dom.js";
import { verdictIcon } from "./icons.js";
import { count, milliseconds, number, VERDICTS } from "./words.js";

export function verdictTiles(parts, chosen, choose) {
  const all = Object.values(parts).reduce((sum, more) => sum + more, 0);
  return Object.entries(VERDICTS).map(([verdict, name]) =>
    make(
      "button",
      {
        class: `verdict ${verdict}`,
        "data-key": verdict,
        "aria-pressed": chosen === verdict ? "true" : "false",
        title: `Show only: ${name}`,
        onclick: () => choose(verdict),
      },
      make("span", { class: "verdict-name" }, verdictIcon(verdict, 22), name),
      make("strong", { class: (parts[verdict] ?? 0) > 9999 ? "long" : null }, count(parts[verdict] ?? 0)),
      make("span", { class: "share" }, share(parts[verdict] ?? 0, all)),
    ),
  );
}

function share(part, all) {
  if (!all) return "–";
  const percent = (100 * part) / all;
  const some = part > 0 && part < all;
  if (some && percent < 0.1) return `under 0.1 % of ${count(all)}`;
  if (some && percent > 99.9) return `over 99.9 % of ${count(all)}`;
  return `${percent.toFixed(some && (percent < 10 || percent > 99) ? 1 : 0)} % of ${count(all)}`;
}

export function figureTiles(summary) {
  const latency = summary.latency_ms;
  return [
    tile("Rate", number(summary.rate_hz, 1), "parts/s", `${count(Math.round(summary.rate_hz * 60))} a minute`),
    latencyTile("Trigger to verdict", latency.trigger_to_verdict),
    latencyTile("Models", latency.model_only),
    latencyTile("Beside the models", latency.overhead),
    latencyTile("Each image", latency.per_image),
    tile("Gate", count(summary.gate.passed), "passed", `${count(summary.gate.rejected)} rejected · ${count(summary.gate.unconfirmed)} unconfirmed`, summary.gate.unconfirmed > 0),
    recordsTile(summary.records),
  ];
}

function recordsTile({ received, duplicates, refused, conflicts, unseen }) {
  const words = [
    `${count(duplicates)} repeats`,
    `${count(refused)} refused`,
    ...(conflicts ? [`${count(conflicts)} conflicts`] : []),
    ...(unseen ? [`${count(unseen)} parts unseen`] : []),
  ];
  return tile("Records", count(received), "stored", words.join(" · "), refused + conflicts + unseen > 0);
}

function tile(name, value, unit, small, warn = false, title = null) {
  return make(
    "div",
    { class: warn ? "figure warn" : "figure", title: title || null },
    make("span", { class: "figure-name" }, name),
    make("span", { class: "figure-value" }, make("strong", {}, value), ` ${unit}`),
    make("span", { class: "figure-small" }, small),
  );
}

function latencyTile(name, figures) {
  const [value, unit] = milliseconds(figures.p50).split(" ");
  const small = figures.p50 === null ? "no part judged yet" : `p95 ${number(figures.p95, 0)} · max ${number(figures.max, 0)}`;
  const title = figures.p50 === null ? "" : `p50 ${figures.p50} ms, p95 ${figures.p95} ms, p99 ${figures.p99} ms, max ${figures.max} ms`;
  return tile(name, value, unit ? `${unit} median` : "", small, false, title);
}
