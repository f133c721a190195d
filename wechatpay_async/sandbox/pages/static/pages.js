// Keeps what is marked `data-live` as the server has it, and tells the merchant's page what came of a payment.
"use strict";
(() => {
  const live = () => document.querySelectorAll("[data-live][id]");
  let etag = null;

  async function refresh() {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(location.href, { headers, cache: "no-store" });
    if (response.status !== 200) return;
    etag = response.headers.get("ETag");
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const old of live()) {
      const made = fresh.getElementById(old.id);
      if (!made || made.innerHTML === old.innerHTML) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.replaceChildren(...document.adoptNode(made).childNodes);
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
  }

  async function watch() {
    if (!document.hidden) await refresh().catch(() => {});
    setTimeout(watch, 1000);
  }

  const tell = (result) => parent !== window && parent.postMessage({ wechatpaySandbox: { err_msg: result } }, "*");

  // Listened for before the page has a body: whatever can be seen can be clicked, and Escape works from the first moment on.
  addEventListener("click", (event) => {
    const close = event.target.closest("[data-bridge-close]");
    if (close) parent === window ? history.back() : tell(close.dataset.bridgeClose);
  });
  addEventListener("keydown", (event) => {
    const escape = document.querySelector("[data-bridge-escape]");
    if (escape && event.key === "Escape") tell(escape.dataset.bridgeEscape);
  });

  addEventListener("DOMContentLoaded", () => {
    const shownByGet = document.querySelector("[role=alert], [data-onward]") === null;
    if (live().length && shownByGet && document.querySelector(".done") === null) setTimeout(watch, 1000);
    const result = document.querySelector("[data-bridge-result]");
    if (result) tell(result.dataset.bridgeResult);
    const onward = document.querySelector("[data-onward]");
    if (onward) setTimeout(() => location.assign(onward.href), 800);
  });
})();
