/* On paper: hints and answer lines go (mlteach.css), and a second entry of the menu prints the
   solutions of the exercises and the answers to the guesses behind the chapter. */
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
    document.querySelectorAll(".mlteach-guess-form").forEach((form, k) => {
      const answer = document.createElement("div");
      const asked = form.querySelector("legend").cloneNode(true);
      asked.querySelector(".mlteach-hidden").remove();
      const question = document.createElement("strong");
      question.append(...asked.childNodes);
      const told = form.querySelector("details").cloneNode(true);
      told.querySelector("summary").remove();
      answer.append(question, ...told.childNodes);
      if (!k) section.insertAdjacentHTML("beforeend", "<h2>Answers to the guesses</h2>");
      section.append(answer);
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
