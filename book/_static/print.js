/* On paper: hints and answer lines go (mlteach.css), and a second entry of the menu prints the
   solutions of the exercises behind the chapter. */
(() => {
  "use strict";
  const SOLUTIONS = ".bd-article .cell.tag_hide-cell";

  const appendix = () => {
    const section = document.createElement("section");
    section.className = "mlteach-appendix";
    section.innerHTML = "<h2>Solutions</h2>";
    document.querySelectorAll(SOLUTIONS).forEach((cell) => {
      const title = cell.querySelector("summary .collapsed")?.textContent ?? "Show a solution";
      const head = document.createElement("h3");
      head.textContent = title.replace(/^Show a s/, "S");
      section.append(head, cell.querySelector(".cell_input").cloneNode(true));
    });
    return section;
  };

  const printAll = () => {
    const section = appendix();
    document.querySelector(".bd-article").append(section);
    addEventListener("afterprint", () => section.remove(), { once: true });
    window.print();
  };

  document.addEventListener("DOMContentLoaded", () => {
    const entry = document.querySelector(".btn-download-pdf-button")?.closest("li");
    if (!entry || !document.querySelector(SOLUTIONS)) return;
    const more = entry.cloneNode(true);
    const button = more.querySelector("button");
    button.removeAttribute("onclick");
    button.title = "Print to PDF, with the solutions";
    button.querySelector(".btn__text-container").textContent = ".pdf with solutions";
    button.addEventListener("click", printAll);
    entry.after(more);
  });
})();
