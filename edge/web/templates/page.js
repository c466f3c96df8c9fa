// Fetches the page again every few seconds and exchanges its middle, so reading place and focus stay.
"use strict";

const every = Number(document.body.dataset.refresh) * 1000;
const stale = document.getElementById("stale");

async function refresh() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(every) });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }
  setTimeout(refresh, every);
}

setTimeout(refresh, every);
