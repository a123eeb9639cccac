// The commissioning panels: each sends one kind of command and shows its outcome.

import { sendCommand } from "./api.js";
import { sendAndAwaitOutcome } from "./command-outcome.js";
import { createElement } from "./dom.js";
import { formatCode, formatNumber } from "./format.js";

const TRIAL_WAIT_MS = 16_000;

// A panel with a form; a button's `act` sends the command, `shown` adds details to the outcome.
export function commandPanel({ title, explains, fields, buttons, shown = () => null }) {
  const says = createElement("p", { class: "says-what", role: "status" });
  const more = createElement("div", {});
  const controls = buttons.map(({ word, act }) => createElement("button", { type: "button", onclick: () => run(act) }, word));
  async function run(act) {
    controls.forEach((control) => { control.disabled = true; });
    says.className = "says-what";
    says.textContent = "Waiting for the station …";
    more.replaceChildren();
    const [result, text, step] = await act();
    says.className = `says-what ${result === "done" ? "good" : "bad"}`;
    says.textContent = text;
    const extra = step && shown(step);
    if (extra) more.append(extra);
    controls.forEach((control) => { control.disabled = false; });
  }
  return createElement(
    "section",
    { class: "panel", "data-panel": title },
    createElement("h2", {}, title),
    createElement("p", { class: "note" }, explains),
    createElement("div", { class: "asks" }, fields, controls),
    says,
    more,
  );
}

export function numberField(label, value, attributes) {
  const input = createElement("input", { type: "number", value, ...attributes });
  return [createElement("label", {}, label, input), () => Number(input.value)];
}

export function calibrationPanel(station, cameras) {
  const chosen = createElement("select", {});
  const offer = () => chosen.replaceChildren(...cameras().map((name) => createElement("option", { value: name }, name)));
  chosen.addEventListener("focus", () => { if (chosen.options.length !== cameras().length) offer(); });
  const [size, squareMm] = numberField("Square size, mm", 15, { min: 2, max: 100, step: 0.01 });
  const link = createElement("a", { href: "/commissioning/target.svg", target: "_blank" }, "Printable target");
  const follow = () => { link.href = `/commissioning/target.svg?square_mm=${squareMm()}`; };
  size.addEventListener("input", follow);
  const send = (more) => () =>
    sendAndAwaitOutcome(station(), () => sendCommand(station(), "calibrate", { camera: chosen.value, squareMm: squareMm(), ...more }));
  const element = commandPanel({
    title: "Calibration",
    explains: "Print the target at 100 %, measure a printed square and enter its size. Lay the target at the height of the parts' surface, square to the camera and fully in the picture.",
    fields: [createElement("label", {}, "Camera", chosen), size, link],
    buttons: [{ word: "Calibrate", act: send({}) }, { word: "Delete calibration", act: send({ forget: true }) }],
  });
  return [element, offer];
}

export function gatePanel(station) {
  const [field, parts] = numberField("Trials", 4, { min: 1, max: 20, step: 1 });
  const send = () => sendAndAwaitOutcome(station(), () => sendCommand(station(), "gate_dry_run", { parts: parts() }), TRIAL_WAIT_MS * (parts() + 1));
  return commandPanel({
    title: "Gate dry run",
    explains: "Sends OK and reject in turn through the full PLC handshake. No part is counted. The gate moves: keep hands away. Stop and clear the belt first: a dry run is refused during production.",
    fields: [field],
    buttons: [{ word: "Run", act: send }],
    shown: (step) => (step.trials?.length ? trialsTable(step.trials) : null),
  });
}

function trialsTable(trials) {
  const rows = trials.map((trial) => [
    String(trial.number),
    trial.ordered,
    trial.echoed === null ? "no echo" : "echoed",
    trial.acted === null ? "not reported" : `${trial.acted} (${formatCode(trial.cause)})`,
    `${formatNumber(trial.order_to_echo_ms, 0)} ms`,
    `${formatNumber(trial.order_to_act_ms, 0)} ms`,
  ]);
  return createElement(
    "table",
    {},
    createElement("tr", {}, ["Trial", "Command", "PLC echo", "Gate", "Time to echo", "Time to gate"].map((head) => createElement("th", {}, head))),
    rows.map((row) => createElement("tr", {}, row.map((cell) => createElement("td", {}, cell)))),
  );
}

export function referencePanel(station) {
  const send = (args) => () => sendAndAwaitOutcome(station(), () => sendCommand(station(), "take_reference", args));
  return commandPanel({
    title: "Reference",
    explains: "Every part is compared with the reference of its product: brightness, sharpness, colour and position. Use the last part here, or open any part and use that one.",
    fields: [],
    buttons: [
      { word: "Use last part", act: send({}) },
      { word: "Delete reference", act: send({ forget: true }) },
    ],
  });
}
