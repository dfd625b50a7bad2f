// Updates the parts of a page that have `data-live`, the address of their HTML, while the page is visible.
// Without this script, a page that has such a part reloads itself.
"use strict";
(() => {
  const PERIOD = 3000;
  const TIMEOUT = 10000;
  const parts = document.querySelectorAll("[data-live]");
  const stale = document.getElementById("stale");
  let isRunning = false;

  // What the reader has opened or focused stays so.
  const replace = (part, html) => {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
    part.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const update = async () => {
    if (document.hidden || isRunning) return;
    // A selection would be lost.
    if (!document.getSelection()?.isCollapsed) return;
    isRunning = true;
    try {
      for (const part of parts) {
        const response = await fetch(part.dataset.live, { signal: AbortSignal.timeout(TIMEOUT) });
        if (!response.ok) throw new Error(String(response.status));
        replace(part, await response.text());
      }
      if (stale) stale.hidden = true;
    } catch {
      if (stale) stale.hidden = false;
    } finally {
      isRunning = false;
    }
  };

  if (parts.length > 0) {
    setInterval(update, PERIOD);
    document.addEventListener("visibilitychange", update);
  }
})();
