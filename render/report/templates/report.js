"use strict";
const memory = (() => { try { return sessionStorage; } catch { return null; } })();
for (const range of document.querySelectorAll(".split input")) {
  const split = range.closest(".split");
  const move = () => {
    split.style.setProperty("--at", range.value + "%");
    memory?.setItem("at", range.value);
  };
  if (memory?.getItem("at")) range.value = memory.getItem("at");
  range.addEventListener("input", move);
  move();
}
const buttons = [...document.querySelectorAll("[data-show]")];
for (const button of buttons) {
  button.addEventListener("click", () => {
    for (const other of buttons) {
      const shown = other === button;
      other.setAttribute("aria-pressed", String(shown));
      document.getElementById(other.dataset.show).hidden = !shown;
    }
  });
}
