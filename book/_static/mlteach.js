/* A formula that is wider than its column scrolls; so the keyboard must be able to reach it. */
(() => {
  "use strict";
  const reach = () =>
    document.querySelectorAll('mjx-container[display="true"]').forEach((formula) => {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    });
  window.addEventListener("load", () => window.MathJax?.startup?.promise.then(reach));
  window.addEventListener("resize", reach);
})();
