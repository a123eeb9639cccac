// Makes a part the one that all others of its product are held against.

import { sendCommand } from "./api.js";
import { sendAndAwaitOutcome } from "./command-outcome.js";
import { createElement } from "./dom.js";

export function referenceButton(record) {
  const says = createElement("span", { class: "says-what", role: "status" });
  const button = createElement("button", { class: "quiet", type: "button", onclick: act }, "Take this part as the reference");
  async function act() {
    const good = record.verdict === "ok" || confirm(`Part ${record.partNumber} was judged ${record.verdict}. Take it as the reference all the same?`);
    if (!good) return;
    button.disabled = true;
    says.className = "says-what";
    says.textContent = "Asking the station …";
    const args = { epoch: record.epoch, partNumber: record.partNumber, product: record.product ?? "" };
    const [result, text] = await sendAndAwaitOutcome(record.stationId, () => sendCommand(record.stationId, "take_reference", args));
    says.className = `says-what ${result === "done" ? "good" : "bad"}`;
    says.textContent = text;
    button.disabled = false;
  }
  return createElement("p", { class: "acts" }, button, " ", says);
}
