// The timing of the latest parts: trigger to verdict, trigger to gate, and the deadline of each.

import { createElement, createSvg } from "./dom.js";
import { formatCount, formatNumber } from "./format.js";

const WIDTH = 960;
const HEIGHT = 300;
const LEFT = 84;
const BOTTOM = 34;
const TOP = 12;
const RIGHT = 12;
const TICKS = [1, 2, 5];

export function gateTimings(records) {
  return records
    .map((record) => ({
      part: record.partNumber,
      verdict: record.timings?.trigger_to_verdict_ms ?? null,
      gate: record.timings?.trigger_to_gate_ms ?? null,
      deadline: record.timings?.trigger_to_deadline_ms ?? null,
    }))
    .filter((way) => way.verdict !== null || way.gate !== null)
    .reverse();
}

export function gateTimingPlot(ways) {
  if (!ways.length) return [createElement("p", { class: "note" }, "No part with timings yet")];
  return [legend(), plot(ways), summary(ways)];
}

function plot(ways) {
  const all = ways.flatMap((way) => [way.verdict, way.gate, way.deadline]).filter((value) => value !== null);
  const top = Math.max(...all) * 1.08;
  const x = (place) => LEFT + ((place + 0.5) * (WIDTH - LEFT - RIGHT)) / ways.length;
  const y = (ms) => HEIGHT - BOTTOM - (ms * (HEIGHT - BOTTOM - TOP)) / top;
  return createSvg(
    "svg",
    { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": describeTimings(ways) },
    axis(top, y),
    ways.flatMap((way, place) => drawTiming(way, x(place), y)),
    createSvg("path", { class: "deadline", d: deadlineLine(ways, x, y) }),
    createSvg("text", { x: LEFT, y: HEIGHT - 10 }, `Part ${ways[0].part}`),
    createSvg("text", { x: WIDTH - RIGHT, y: HEIGHT - 10, "text-anchor": "end" }, `Part ${ways.at(-1).part}`),
  );
}

function axis(top, y) {
  const step = tickStep(top);
  const values = Array.from({ length: Math.floor(top / step) + 1 }, (_, place) => place * step);
  return values.flatMap((ms) => [
    createSvg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(ms), y2: y(ms) }),
    createSvg("text", { x: LEFT - 8, y: y(ms) + 4, "text-anchor": "end" }, `${formatCount(ms)} ms`),
  ]);
}

function tickStep(top) {
  const power = 10 ** Math.floor(Math.log10(top / 6));
  return power * (TICKS.find((tick) => top / (tick * power) <= 6) ?? 10);
}

function drawTiming(way, x, y) {
  const dots = [];
  if (way.verdict !== null && way.gate !== null) {
    dots.push(createSvg("line", { class: "way", x1: x, x2: x, y1: y(way.verdict), y2: y(way.gate) }));
  }
  if (way.verdict !== null) dots.push(dot("verdict-dot", x, y(way.verdict), `Part ${way.part}: verdict after ${formatNumber(way.verdict)} ms`));
  if (way.gate !== null) {
    const late = way.verdict !== null && way.deadline !== null && way.verdict > way.deadline;
    dots.push(dot(late ? "gate-dot late" : "gate-dot", x, y(way.gate), `Part ${way.part}: gate after ${formatNumber(way.gate)} ms`));
  }
  return dots;
}

const dot = (name, cx, cy, title) => createSvg("circle", { class: name, cx, cy, r: 2.6 }, createSvg("title", {}, title));

function deadlineLine(ways, x, y) {
  let open = false;
  return ways
    .map((way, place) => {
      if (way.deadline === null) {
        open = false;
        return "";
      }
      const step = `${open ? "L" : "M"}${x(place).toFixed(1)} ${y(way.deadline).toFixed(1)}`;
      open = true;
      return step;
    })
    .join("");
}

function legend() {
  return createElement(
    "p",
    { class: "note" },
    createElement("i", { class: "key key-verdict" }), "Trigger to verdict",
    createElement("i", { class: "key key-gate" }), "Trigger to gate",
    createElement("i", { class: "key key-deadline" }), "Deadline",
  );
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

export function percentileFigures(ways, name) {
  const sorted = ways.map((way) => way[name]).filter((value) => value !== null).sort((a, b) => a - b);
  if (!sorted.length) return null;
  return { median: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), max: sorted.at(-1), parts: sorted.length };
}

export function minReserve(ways) {
  const left = ways.filter((way) => way.verdict !== null && way.deadline !== null).map((way) => way.deadline - way.verdict);
  return left.length ? Math.min(...left) : null;
}

function describeTimings(ways) {
  const texts = [["verdict", "Verdict"], ["gate", "gate"]].map(([name, word]) => {
    const figures = percentileFigures(ways, name);
    return figures && `${word}: median ${formatNumber(figures.median, 0)}, p95 ${formatNumber(figures.p95, 0)}, max ${formatNumber(figures.max, 0)} ms`;
  });
  const reserve = minReserve(ways);
  const rest = reserve === null ? "" : ` · min margin to the deadline ${formatNumber(reserve, 0)} ms`;
  return `${texts.filter(Boolean).join(" · ")} · ${ways.length} parts${rest}`;
}

const summary = (ways) => createElement("p", { class: "note" }, describeTimings(ways));
