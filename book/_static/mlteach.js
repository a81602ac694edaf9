/* Formulas, tables and code that are wider than their column scroll. Here they say so, by an edge
   that fades where there is more, and the keyboard can reach them. */
(() => {
  "use strict";
  const BOXES =
    'mjx-container[display="true"], .cell_output .text_html, .pst-scrollable-table-container, ' +
    "div.highlight pre";

  const mark = (box) => {
    const room = box.scrollWidth - box.clientWidth;
    if (room < 2) {
      box.removeAttribute("tabindex");
      delete box.dataset.more;
      return;
    }
    box.tabIndex = 0;
    const sides = [box.scrollLeft > 1 && "left", box.scrollLeft < room - 1 && "right"];
    box.dataset.more = sides.filter(Boolean).join(" ");
  };
  const markAll = () => document.querySelectorAll(BOXES).forEach(mark);

  document.addEventListener("scroll", (event) => {
    if (event.target.matches?.(BOXES)) mark(event.target);
  }, { capture: true, passive: true });
  window.addEventListener("load", markAll);
  // The text grows when formulas are set, boxes are opened, the window is turned.
  new ResizeObserver(markAll).observe(document.querySelector("main") ?? document.body);
})();
