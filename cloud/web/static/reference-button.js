// Makes a part the reference of its product.

import { sendCommand } from "./api.js";
import { sendAndAwaitOutcome } from "./command-outcome.js";
import { createElement } from "./dom.js";

export function referenceButton(record) {
  const says = createElement("span", { class: "says-what", role: "status" });
  const button = createElement("button", { class: "quiet", type: "button", onclick: act }, "Use this part as reference");
  async function act() {
    const good = record.verdict === "ok" || confirm(`Part ${record.partNumber} has the verdict ${record.verdict}. Use it as the reference anyway?`);
    if (!good) return;
    button.disabled = true;
    says.className = "says-what";
    says.textContent = "Waiting for the station …";
    const args = { epoch: record.epoch, partNumber: record.partNumber, product: record.product ?? "" };
    const [result, text] = await sendAndAwaitOutcome(record.stationId, () => sendCommand(record.stationId, "take_reference", args));
    says.className = `says-what ${result === "done" ? "good" : "bad"}`;
    says.textContent = text;
    button.disabled = false;
  }
  return createElement("p", { class: "acts" }, button, " ", says);
}
