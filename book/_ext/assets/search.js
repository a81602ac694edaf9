/* The search: sections of the book that hold all words, best first, each with a piece of its prose.
   A word in a title counts more than one in the text, the beginning of a word as the word. */
(() => {
  "use strict";
  const MOST = 40, EXCERPT = 220;
  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}²]+/gu) ?? [];
  const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const starts = (word) => new RegExp(`(?<![\\p{L}\\p{N}])${escaped(word)}`, "giu");

  /* Plurals and their like: "effects" finds "effect". */
  const stem = (word) => (word.length > 4 ? word.replace(/(?:ies|es|s|ing|ed)$/, "") : word);

  const score = (entry, wanted) => {
    const [, pageTitle, , title, prose] = entry;
    let sum = 0;
    for (const pattern of wanted) {
      const inTitle = (title.match(pattern) ?? []).length;
      const inPage = (pageTitle.match(pattern) ?? []).length;
      const inProse = (prose.match(pattern) ?? []).length;
      if (!inTitle && !inPage && !inProse) return 0;
      sum += 12 * Math.min(inTitle, 1) + 3 * Math.min(inPage, 1) + Math.min(inProse, 6);
    }
    return sum + (words(title).length <= wanted.length ? 6 : 0);
  };

  const excerpt = (prose, wanted) => {
    const places = wanted.map((pattern) => prose.search(pattern)).filter((at) => at >= 0);
    let from = Math.max(0, Math.min(...places, prose.length) - EXCERPT / 3);
    if (!places.length) from = 0;
    if (from) from = prose.indexOf(" ", from) + 1;
    const text = prose.slice(from, from + EXCERPT);
    const whole = from + EXCERPT >= prose.length;
    const cut = whole ? text : text.slice(0, text.lastIndexOf(" "));
    return `${from ? "… " : ""}${cut}${whole ? "" : " …"}`;
  };

  const emphasised = (text, wanted) => {
    const line = document.createElement("p");
    const all = new RegExp(wanted.map((p) => `${p.source}[\\p{L}\\p{N}]*`).join("|"), "giu");
    let at = 0;
    for (const match of text.matchAll(all)) {
      const mark = document.createElement("mark");
      mark.textContent = match[0];
      line.append(text.slice(at, match.index), mark);
      at = match.index + match[0].length;
    }
    line.append(text.slice(at));
    return line;
  };

  const item = ([page, pageTitle, place, title, prose], wanted) => {
    const entry = document.createElement("li"), link = document.createElement("a");
    link.href = page + (place && title !== pageTitle ? `#${place}` : "");
    link.textContent = title === pageTitle ? title : `${pageTitle} › ${title}`;
    entry.append(link, emphasised(excerpt(prose, wanted), wanted));
    return entry;
  };

  const query = new URLSearchParams(location.search).get("q") ?? "";
  document.querySelectorAll("form.bd-search input[name=q]").forEach((i) => (i.value = query));
  const wanted = words(query).map(stem).map(starts);
  if (!wanted.length) return;
  const found = window.mlteachSections
    .map((entry) => [score(entry, wanted), entry])
    .filter(([points]) => points > 0)
    .sort((one, other) => other[0] - one[0]);
  const list = document.createElement("ol");
  list.className = "mlteach-found";
  list.append(...found.slice(0, MOST).map(([, entry]) => item(entry, wanted)));
  const said = document.createElement("p");
  said.setAttribute("role", "status");
  const many = found.length > MOST ? `; the best ${MOST} are shown` : "";
  said.textContent = `${found.length || "No"} section${found.length === 1 ? "" : "s"} with “${query}”${many}.`;
  document.querySelector("#search-results").replaceChildren(said, list);
})();
