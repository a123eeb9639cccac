// Edits the three thresholds of a label; they push each other, so that reject >= review >= keep.

import { createElement } from "./dom.js";

export const TIERS = ["reject", "review", "keep"];
const MIN_SCORE = 0.01;
const STEP = 0.01;

// `changed(scores)` is called with each edit; `apply(scores)` and `reset()` by the buttons.
export function thresholdEditor({ changed, apply, reset }) {
  let present = null;
  let scores = {};
  let known = false; // whether the effect of these scores is shown
  const rows = Object.fromEntries(TIERS.map((tier) => [tier, tierRow(tier, (value) => edit(tier, value))]));
  const applyButton = createElement("button", { type: "button", class: "apply", onclick: () => apply(pickChanged()) }, "Apply");
  const undoButton = createElement("button", { type: "button", onclick: () => show(present, true) }, "Undo");
  const resetButton = createElement("button", { type: "button", onclick: reset }, "Reset to the product's own");
  const element = createElement(
    "div",
    {},
    TIERS.map((tier) => rows[tier].element),
    createElement("div", { class: "editor-acts" }, applyButton, undoButton, resetButton),
  );

  const pickChanged = () => Object.fromEntries(TIERS.filter((tier) => scores[tier] !== present[tier]).map((tier) => [tier, scores[tier]]));

  function edit(tier, value) {
    if (!(value > 0 && value <= 1)) return;
    scores = pushOthers({ ...scores, [tier]: value }, tier);
    update(tier);
    changed(scores);
  }

  function update(edited = null) {
    for (const tier of TIERS) rows[tier].show(scores[tier], present[tier], tier === edited);
    const open = Object.keys(pickChanged()).length > 0;
    applyButton.disabled = !open || !known;
    undoButton.disabled = !open;
  }

  function show(tiers, again = false) {
    if (!again && JSON.stringify(tiers) === JSON.stringify(present)) return;
    present = tiers;
    scores = { ...tiers };
    known = false;
    update();
    changed(scores);
  }

  return {
    element,
    show,
    setKnown(shown) {
      known = TIERS.every((tier) => shown?.[tier] === scores[tier]);
      update(document.activeElement?.dataset?.tier ?? null);
    },
  };
}

function tierRow(tier, edited) {
  const attributes = { min: MIN_SCORE, max: 1, step: STEP, "data-tier": tier };
  const slider = createElement("input", { type: "range", "aria-label": `${tier}, slider`, ...attributes, oninput: ({ target }) => edited(Number(target.value)) });
  const number = createElement("input", { type: "number", "aria-label": tier, ...attributes, step: "any", oninput: ({ target }) => edited(Number(target.value)) });
  const was = createElement("span", { class: "was" });
  return {
    element: createElement("div", { class: "tier" }, createElement("span", {}, tier), slider, number, was),
    show(score, present, isEdited) {
      slider.value = score;
      if (!isEdited || Number(number.value) !== score) number.value = score;
      was.textContent = score === present ? "in force" : `now ${present}`;
    },
  };
}

// A threshold that is moved past another one takes it along.
export function pushOthers(scores, edited) {
  const place = TIERS.indexOf(edited);
  const pushed = TIERS.map((tier, other) =>
    other < place ? Math.max(scores[tier], scores[edited]) : other > place ? Math.min(scores[tier], scores[edited]) : scores[tier]);
  return Object.fromEntries(TIERS.map((tier, other) => [tier, pushed[other]]));
}
