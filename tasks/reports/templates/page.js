"use strict";
// The page works without it, in its first language and with every group in sight.
(() => {
  const all = (what, under = document) => [...under.querySelectorAll(what)];
  const one = (what) => document.querySelector(what);

  const kept = (name, value) => {
    try {
      if (value === undefined) return localStorage.getItem(name);
      localStorage.setItem(name, value);
    } catch { /* a browser that keeps nothing */ }
    return null;
  };
  const speak = (language) => {
    document.documentElement.lang = language === "en" ? "en" : "zh-CN";
    for (const item of all("[data-zh]")) item.textContent = item.dataset[language];
    for (const button of all("[data-speak]")) button.setAttribute("aria-pressed", String(button.dataset.speak === language));
  };
  for (const button of all("[data-speak]")) {
    button.addEventListener("click", () => { speak(button.dataset.speak); kept("fieldcheck-language", button.dataset.speak); });
  }
  const told = kept("fieldcheck-language");
  speak(told === "en" || told === "zh" ? told : document.documentElement.lang === "en" ? "en" : "zh");

  const kind = one("#by-kind"), reason = one("#by-reason"), name = one("#by-id"), left = one("#left");
  if (kind) {
    const items = all("[data-kind]");
    const sift = () => {
      const wanted = name.value.trim().toLowerCase();
      let shown = 0;
      for (const item of items) {
        const fits = (!kind.value || item.dataset.kind === kind.value)
          && (!reason.value || item.dataset.reasons.split(" ").includes(reason.value))
          && (!wanted || item.dataset.id.toLowerCase().includes(wanted));
        item.hidden = !fits;
        shown += fits;
      }
      left.textContent = `${shown} / ${items.length}`;
    };
    for (const field of [kind, reason, name]) field.addEventListener("input", sift);
    sift();
  }

  const dialog = one("dialog");
  if (dialog) {
    const large = one("dialog img"), words = one("dialog p");
    let photos = [], at = 0;
    const show = (place) => {
      at = (place + photos.length) % photos.length;
      large.src = photos[at].dataset.large || photos[at].firstElementChild.src;
      words.textContent = photos[at].title;
    };
    for (const button of all("figure button")) {
      button.addEventListener("click", () => {
        photos = all("figure button", button.closest(".photos"));
        show(photos.indexOf(button));
        dialog.showModal();
      });
    }
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") show(at + 1);
      if (event.key === "ArrowLeft") show(at - 1);
    });
  }

  for (const button of all("button.print")) {
    button.addEventListener("click", () => {
      document.body.classList.add("one");
      button.closest(".group").classList.add("only");
      print();
    });
  }
  addEventListener("beforeprint", () => { for (const item of all(".group details")) item.open = true; });
  addEventListener("afterprint", () => {
    document.body.classList.remove("one");
    for (const item of all(".only")) item.classList.remove("only");
  });
})();
