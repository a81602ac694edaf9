/* A figure is looked at more closely: a click or tap shows it at full size, in a window over the
   page that scrolls; Escape, the button or a click beside it closes. */
(() => {
  "use strict";
  const FIGURES = ".bd-article .cell_output img, .bd-article figure img";
  let dialog;

  const build = () => {
    dialog = document.createElement("dialog");
    dialog.className = "mlteach-zoom";
    dialog.setAttribute("aria-label", "Figure at full size");
    dialog.innerHTML =
      '<button type="button" aria-label="Close the figure">×</button>' +
      '<div class="room" tabindex="0"></div><p></p>';
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("button")) dialog.close();
    });
    document.body.append(dialog);
  };

  const show = (image) => {
    if (!dialog) build();
    const large = image.cloneNode();
    large.loading = "eager";
    large.removeAttribute("style");
    dialog.querySelector(".room").replaceChildren(large);
    const caption = image.closest("figure")?.querySelector("figcaption")?.cloneNode(true);
    caption?.querySelector(".headerlink")?.remove();
    dialog.querySelector("p").textContent = caption?.textContent.trim() ?? "";
    dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.image-reference");
    const image = event.target.closest(FIGURES) ?? seen(link);
    if (!image || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(image);
  });
  // The keyboard is on the link: of the two pictures in it, the one that shows.
  const seen = (link) => [...(link?.querySelectorAll("img") ?? [])].find((i) => i.offsetWidth);
})();
