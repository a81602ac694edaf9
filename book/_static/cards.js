/* What a citation, a term, a figure or an equation is, in a card: on hovering, on focus, and on a
   first tap; the second tap, or the link in the card, leads there. The texts come in one file, at
   the first card of a page; what stands on the page itself is shown as it is. */
(() => {
  "use strict";
  const LINKS = [
    'a[href*="#term-"]', 'a[href*="#equation-"]', 'a[href*="#fig-"]', 'a[href*="references.html#"]',
  ].map((link) => `.bd-article ${link}:not(.headerlink)`).join(", ");
  const here = document.currentScript.src;
  const ROOT = document.documentElement.dataset.content_root ?? "./";
  const DELAY = 250;
  const card = document.createElement("div");
  let shown = null, timer = 0, texts = null;

  card.className = "mlteach-card";
  card.id = "mlteach-card";
  card.setAttribute("role", "tooltip");
  card.hidden = true;

  const load = () => (texts ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = here.replace(/cards\.js.*$/, "cards/texts.js");
    script.onload = () => resolve(window.mlteachCards);
    script.onerror = () => resolve({});
    document.head.append(script);
  }));

  const picture = (source, words) => {
    const image = new Image();
    image.src = source;
    image.alt = "";
    return [image, words];
  };

  /* The parts of the card of a link, or nothing where there is none. */
  const content = async (link) => {
    const [page, id] = link.getAttribute("href").split("#");
    const place = page ? null : document.getElementById(decodeURIComponent(id));
    if (link.dataset.card) return [link.dataset.card];
    if (place?.matches("figure")) {
      const image = [...place.querySelectorAll("img")].find((i) => i.offsetWidth);
      const words = place.querySelector("figcaption").textContent.replace(/#$/, "").trim();
      return image ? picture(image.src, words) : [words];
    }
    if (place?.matches(".math")) {
      return [...place.children].map((part) => part.cloneNode(true));
    }
    const found = (await load())[decodeURIComponent(id)];
    if (!found) return null;
    if (typeof found === "string") return [found];
    if (found.tex) return typeset(found.tex);
    const dark = document.documentElement.dataset.theme === "dark" ? "-dark.png" : ".png";
    return picture(ROOT + found.picture.replace(/\.png$/, dark), found.words);
  };

  const typeset = async (tex) => {
    if (!window.MathJax?.tex2chtmlPromise) return [tex];
    const formula = await MathJax.tex2chtmlPromise(tex, { display: true });
    MathJax.startup.document.clear();
    MathJax.startup.document.updateDocument();
    return [formula];
  };

  const place = (link) => {
    const box = link.getBoundingClientRect(), own = card.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const below = box.bottom + own.height + 12 < window.innerHeight;
    card.style.left = `${Math.max(8, Math.min(box.left, width - own.width - 8)) + scrollX}px`;
    card.style.top = `${(below ? box.bottom + 6 : box.top - own.height - 6) + scrollY}px`;
  };

  const open = async (link, tapped = false) => {
    shown = link;
    const parts = await content(link);
    if (!parts || shown !== link) return;
    card.replaceChildren(...parts);
    if (tapped) {
      const onward = Object.assign(document.createElement("a"), { href: link.href });
      onward.textContent = "Go there";
      card.append(onward);
    }
    card.hidden = false;
    link.setAttribute("aria-describedby", card.id);
    place(link);
  };

  const close = () => {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    card.hidden = true;
  };

  const target = (event) => event.target.closest?.(LINKS);
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch" || card.contains(event.target)) return;
    const link = target(event);
    if (link === shown && link) return;
    close();
    if (link) timer = setTimeout(() => open(link), DELAY);
  });
  document.addEventListener("focusin", (event) => {
    const link = target(event);
    if (link?.matches(":focus-visible")) open(link);
    else if (!card.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("click", (event) => {
    const link = target(event);
    if (event.pointerType === "touch" && link && link !== shown) {
      event.preventDefault();
      close();
      open(link, true);
    } else if (!card.contains(event.target)) {
      close();
    }
  }, true);

  // The theme's own hover text would lie over the card.
  document.addEventListener("DOMContentLoaded", () => {
    document.body.append(card);
    document.querySelectorAll(LINKS).forEach((link) => {
      if (link.title) link.dataset.card = link.title;
      link.removeAttribute("title");
    });
  });
})();
