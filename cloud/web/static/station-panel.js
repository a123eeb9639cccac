// The product, lot, mode, challenges and holds of the station, and the commands that change them.

import { runCommand } from "./command-progress.js";
import { createElement, renderIfChanged } from "./dom.js";
import { CHALLENGE_RESULTS, formatCount } from "./format.js";

const MODES = { production: "resume", paused: "pause", maintenance: "maintenance", bypass: "bypass" };
const MODE_WORDS = { production: "Production", paused: "Paused", maintenance: "Maintenance", bypass: "Bypass" };
const WARNINGS = {
  bypass: "Bypass: every part will pass the gate, also with defects. Continue?",
  maintenance: "Maintenance: no part will pass the gate. Continue?",
};

// Built once, so that unsent input stays; cleared when another station is chosen.
export function stationPanel(container) {
  let station = null; // commands go to the station that the panel shows
  const says = createElement("p", { class: "says", role: "status" });
  const now = createElement("div", { class: "now" });
  const hold = createElement("div", {});
  const product = createElement("select", { "aria-label": "Product" });
  const lot = createElement("input", { "aria-label": "Lot", maxlength: "64", placeholder: "lot" });
  const label = createElement("input", { "aria-label": "Defect on the challenge part", maxlength: "64", placeholder: "defect" });
  const modes = createElement("div", { class: "choice" });

  const act = (text, kind, args = () => ({})) => createElement("button", { class: "quiet", type: "button", onclick: () => send(kind, args()) }, text);

  async function send(kind, args) {
    if (!station || (WARNINGS[kind] && !confirm(WARNINGS[kind]))) return;
    const target = station;
    await runCommand(target, kind, args, (sort, text) => { if (target === station) showProgress(sort, text); });
  }

  function showProgress(kind, text) {
    says.className = `says ${kind}`;
    says.textContent = text;
  }

  container.replaceChildren(
    now,
    hold,
    createElement("div", { class: "row" }, product, act("Change product", "change_product", () => ({ product: product.value }))),
    createElement("div", { class: "row" }, lot, act("Start lot", "lot_start", () => ({ lot: lot.value.trim() })), act("End lot", "lot_end")),
    createElement("div", { class: "row" }, label, act("Challenge next part", "challenge_part", () => ({ label: label.value.trim() }))),
    modes,
    says,
  );

  return (summary) => {
    const facts = selectFacts(summary);
    if (station !== facts.station) {
      station = facts.station;
      [lot, label].forEach((input) => { input.value = ""; });
      showProgress("", "");
    }
    renderIfChanged(now, [facts, summary.apart], ([known, apart]) => buildRows(known, apart));
    renderIfChanged(product, facts.products, (names) => names.map((name) => createElement("option", { value: name, "data-key": name }, name)));
    renderIfChanged(modes, facts.mode, (mode) => modeButtons(mode, (kind) => send(kind, {})));
    renderIfChanged(hold, facts.holds, (holds) => holds.map((each) => holdRow(each, () => send("acknowledge_hold", each.name ? { hold: each.name } : {}))));
  };
}

function selectFacts(summary) {
  const of = (name) => summary.health[`com.sightline.${name}`];
  const capture = of("Capture")?.facts ?? {};
  const products = (capture.products ?? "").split(", ").filter(Boolean);
  return {
    station: summary.station || null,
    product: capture.product ? `${capture.product} ${capture.product_version ?? ""}`.trim() : "",
    lot: capture.lot ?? "",
    challenge: capture.challenge ?? "",
    mode: of("Publisher")?.facts?.mode ?? "",
    products: products.map((entry) => entry.split(" ")[0]),
    holds: findHolds(of("Inference")),
  };
}

function buildRows(facts, apart) {
  const results = Object.entries(apart?.challenge ?? {}).filter(([, number]) => number > 0);
  const challenges = results.map(([result, number]) => `${formatCount(number)} ${CHALLENGE_RESULTS[result] ?? result}`).join(", ") || "none yet";
  const rows = [
    ["Product", facts.product || "not set"],
    ["Lot", facts.lot || "none"],
    ["Mode", MODE_WORDS[facts.mode] ?? "unknown"],
    ["Challenges", facts.challenge ? `${facts.challenge} pending` : challenges],
    ...(apart?.maintenance ? [["In maintenance", `${formatCount(apart.maintenance)} parts`]] : []),
  ];
  return createElement("dl", { class: "counters" }, rows.flatMap(([name, text]) => [createElement("dt", {}, name), createElement("dd", {}, text)]));
}

function modeButtons(mode, send) {
  return Object.entries(MODES).map(([name, kind]) =>
    createElement("button", { class: "quiet", type: "button", "data-key": name, "aria-pressed": String(mode === name), onclick: () => send(kind) }, MODE_WORDS[name]),
  );
}

// The open holds by name: a person releases only the one that the button names.
export function findHolds(inference) {
  const faults = (inference?.faults ?? []).filter((fault) => fault.code.startsWith("held-back"));
  const named = faults.map((fault) => {
    const inCode = fault.code.slice("held-back-".length);
    const inText = /challenge part (\d+-\d+)/.exec(fault.text);
    return { name: inCode || inText?.[1] || "", text: fault.text };
  });
  const listed = (inference?.facts?.holds ?? "").split(/[,\s]+/).filter((name) => /^\d+-\d+$/.test(name));
  const more = listed.filter((name) => !named.some((each) => each.name === name));
  return [...named, ...more.map((name) => ({ name, text: `The station passed challenge part ${name}.` }))];
}

function holdRow({ name, text }, release) {
  return createElement(
    "div",
    { class: "hold", "data-key": `hold-${name}` },
    createElement("p", { class: "fault" }, createElement("strong", {}, name ? `Hold ${name}` : "Hold"), ` ${text}`),
    createElement("button", { class: "quiet", type: "button", onclick: release }, name ? `Release hold ${name}` : "Release hold"),
  );
}
