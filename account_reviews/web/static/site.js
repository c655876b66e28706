// The reader's zone, so that times are written as his clock shows them.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`reviews_zone=${zone}`)) {
    document.cookie = `reviews_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  }
})();

// A form of decisions is sent once per press; coming back to the page lets it be sent again, and
// its id keeps that one decision.
(() => {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id !== "decide") return;
    const button = event.submitter;
    const reason = form.elements.reason;
    if (button && "needsReason" in button.dataset && reason && !reason.value.trim()) {
      event.preventDefault();
      reason.setCustomValidity("A rejection needs a reason.");
      reason.reportValidity();
      reason.focus();
      return;
    }
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  });
  document.addEventListener("input", (event) => {
    if (event.target.setCustomValidity) event.target.setCustomValidity("");
  });
  window.addEventListener("pageshow", () => {
    const form = document.getElementById("decide");
    if (form) {
      delete form.dataset.sent;
      form.removeAttribute("aria-busy");
    }
  });
})();

// Single keys. They can be turned off, and do nothing while somebody types.
(() => {
  const OFF = "reviews-keys-off";
  const dialog = () => document.getElementById("keys");
  const PLACES = ".request, .change, article.card, .rows tbody tr, .story > li:has(a)";
  const places = () => [...document.querySelectorAll(PLACES)];
  let here = -1;

  function go(step) {
    const all = places();
    if (!all.length) return false;
    all.forEach((one) => one.classList.remove("here"));
    here = Math.max(0, Math.min(all.length - 1, here + step));
    const place = all[here];
    place.classList.add("here");
    const target = ["[data-opens]", ".head input, .head a, th a", "a"]
      .map((one) => place.querySelector(one)).find(Boolean) || place;
    if (target === place) place.tabIndex = -1;
    target.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
    return true;
  }

  function tick() {
    const place = places()[here];
    const boxes = place ? [...place.querySelectorAll("input[type=checkbox]")] : [];
    const on = boxes.some((one) => !one.checked);
    boxes.forEach((one) => { one.checked = on; });
    return boxes.length > 0;
  }

  function edit() {
    const all = places();
    const place = all[Math.max(here, 0)];
    const details = place && place.querySelector("details.edit");
    if (!details) return false;
    details.open = true;
    const first = details.querySelector("input, select, textarea");
    if (first) first.focus();
    return true;
  }

  function press(key) {
    const found = document.querySelector(`[data-key="${key}"]`);
    if (found) found.click();
    return Boolean(found);
  }

  function help() {
    const box = dialog();
    if (box && !box.open) box.showModal();
    return true;
  }

  const does = {
    j: () => go(1), k: () => go(-1), " ": tick, e: edit, a: () => press("a"), r: () => press("r"),
    n: () => press("n"), "?": help,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    const box = dialog();
    if (!box || box.open || localStorage.getItem(OFF)) return;
    const types = at.matches("textarea, select, [contenteditable]")
      || (at.matches("input") && !["checkbox", "radio"].includes(at.type));
    if (types || !(event.key in does)) return;
    // The space of a box, a button or a link is the browser's own.
    if (event.key === " " && at.matches("input, button, summary")) return;
    if (does[event.key]()) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest('button[data-key="?"]')) help();
  });

  document.addEventListener("focusin", (event) => {
    const place = event.target.closest && event.target.closest(PLACES);
    if (!place) return;
    places().forEach((one) => one.classList.remove("here"));
    here = places().indexOf(place);
    place.classList.add("here");
  });

  document.addEventListener("DOMContentLoaded", () => {
    const box = document.getElementById("keys-on");
    if (!box) return;
    document.querySelectorAll('button[data-key="?"]').forEach((one) => { one.hidden = false; });
    box.checked = !localStorage.getItem(OFF);
    box.addEventListener("change", () => {
      if (box.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "yes");
    });
  });
})();
