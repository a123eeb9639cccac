// The page of the thresholds: shows those in force, and the effect of others before they are applied.

import { DEFAULT_ISSUER, fetchJson } from "./api.js";
import { runCommand } from "./command-progress.js";
import { byId, createElement, renderIfChanged } from "./dom.js";
import { formatCode } from "./format.js";
import { openPartDialog } from "./part-dialog.js";
import { stationChoice, stationFromAddress, withStation } from "./station-choice.js";
import { effectView } from "./threshold-effect.js";
import { thresholdEditor, TIERS } from "./threshold-editor.js";

const INTERVAL_MS = 1500;
const SETTLE_MS = 200; // an edit may be followed by another
const state = { station: stationFromAddress(), products: [], chosen: null, timer: null, asked: 0 };
const editor = thresholdEditor({ changed: scheduleEffect, apply, reset: () => apply({ reset: true }) });

async function poll() {
  try {
    const { stations } = await fetchJson("/api/summary");
    const asked = state.station;
    const found = await fetchJson(withStation("/api/thresholds", asked));
    if (asked === state.station) showThresholds(stations, found);
    showLink("good", "Live", "");
  } catch (error) {
    showLink("bad", "Connection lost", `No answer from the server (${error.message}). Retrying.`);
  }
  setTimeout(poll, INTERVAL_MS);
}

function showThresholds(stations, { station, products }) {
  state.station = station || null;
  state.products = products;
  byId("empty").hidden = products.length > 0;
  byId("work").hidden = products.length === 0;
  renderIfChanged(byId("station"), [stations, state.station], (known) => stationChoice(known, chooseStation));
  if (stations.length > 1) {
    for (const link of document.querySelectorAll(".bar-links a")) link.href = withStation(new URL(link.href).pathname, state.station);
  }
  if (!findChosen()) chooseFirst();
  renderIfChanged(byId("labels"), [products, state.chosen], ([all]) => all.flatMap(productRows));
  const tiers = findChosen();
  byId("editor").hidden = !tiers;
  if (tiers) editor.show(tiers);
}

const findChosen = () =>
  state.products.find((product) => product.name === state.chosen?.product)?.labels[state.chosen.label] ?? null;

function chooseFirst() {
  const product = state.products.find((each) => Object.keys(each.labels).length);
  state.chosen = product ? { product: product.name, label: Object.keys(product.labels)[0] } : null;
  nameChosen();
}

function productRows({ name, version, labels }) {
  const cells = (...texts) => texts.map((text) => createElement("span", {}, text));
  return [
    createElement("p", { class: "product-name", "data-key": name }, `${name} `, createElement("span", {}, version)),
    createElement("div", { class: "label-head", "data-key": `${name} head` }, cells("label", ...TIERS)),
    ...Object.entries(labels).map(([label, tiers]) =>
      createElement(
        "button",
        {
          type: "button", class: "label-row", "data-key": `${name} ${label}`, onclick: () => choose(name, label),
          "aria-pressed": String(state.chosen?.product === name && state.chosen.label === label),
        },
        cells(formatCode(label), ...TIERS.map((tier) => String(tiers[tier]))),
      )),
  ];
}

function choose(product, label) {
  state.chosen = { product, label };
  nameChosen();
  say("", "");
  renderIfChanged(byId("labels"), [state.products, state.chosen], ([all]) => all.flatMap(productRows));
  editor.show(findChosen(), true);
}

function nameChosen() {
  byId("editor-title").textContent = state.chosen ? `${formatCode(state.chosen.label)} of ${state.chosen.product}` : "Change";
}

function chooseStation(name) {
  Object.assign(state, { station: name, products: [], chosen: null });
  history.replaceState(null, "", withStation(location.pathname, name));
  say("", "");
}

function scheduleEffect(scores) {
  editor.setKnown(null);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => showEffect(scores), SETTLE_MS);
}

async function showEffect(scores) {
  if (!state.chosen) return;
  const turn = (state.asked += 1);
  const query = new URLSearchParams({ ...state.chosen, ...scores });
  try {
    const effect = await fetchJson(withStation(`/api/threshold-effect?${query}`, state.station));
    if (turn !== state.asked) return;
    byId("effect").replaceChildren(...effectView(effect, openRecord));
    editor.setKnown(scores);
  } catch (error) {
    if (turn !== state.asked) return;
    byId("effect").replaceChildren(createElement("p", { class: "note" }, `The effect cannot be computed: ${error.message}`));
  }
}

async function apply(change) {
  const { station, chosen } = state;
  const report = (kind, text) => { if (state.station === station && state.chosen === chosen) say(kind, text); };
  await runCommand(station, "set_threshold", { ...chosen, ...change }, report, DEFAULT_ISSUER);
}

const openRecord = (record) => openPartDialog(byId("detail"), record, () => {});

function say(kind, text) {
  byId("says").className = `says ${kind}`;
  byId("says").textContent = text;
}

function showLink(kind, word, banner) {
  const link = byId("link");
  link.className = `pill ${kind}`;
  if (link.textContent !== word) link.textContent = word;
  byId("banner").hidden = !banner;
  byId("banner").textContent = banner;
}

byId("editor").append(editor.element);
byId("detail").addEventListener("click", (event) => {
  if (event.target === byId("detail")) byId("detail").close();
});
poll();
