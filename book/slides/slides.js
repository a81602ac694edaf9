/* Starts a deck when its formulas are set, and shares the keyboard between slides and widgets. */
(() => {
  "use strict";
  const inWidget = (node) => Boolean(node?.closest?.(".mlteach-widget"));

  /* In a widget the arrows move a control; Escape, or the end of a drag, gives them back. */
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && inWidget(event.target)) {
      event.target.blur();
      event.stopImmediatePropagation();
    }
  }, true);
  document.addEventListener("pointerup", (event) => {
    if (inWidget(event.target) && event.target.matches("input, button")) event.target.blur();
  });

  MathJax.startup.promise.then(() =>
    Reveal.initialize({
      width: 1280,
      height: 720,
      margin: 0,
      center: false,
      display: "flex",
      hash: true,
      slideNumber: "c/t",
      transition: "none",
      pdfSeparateFragments: false,
      keyboardCondition: () => !inWidget(document.activeElement),
      plugins: [RevealNotes],
    }),
  );
})();
