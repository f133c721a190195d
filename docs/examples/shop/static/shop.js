// Looks whether an order has moved on, and opens WeChat's payment where the page is in WeChat.
"use strict";
(() => {
  addEventListener("DOMContentLoaded", () => {
    const order = document.querySelector("[data-watch]");
    const look = async () => {
      const answer = await fetch(order.dataset.watch, { cache: "no-store" });
      if (answer.ok && (await answer.text()).trim() !== order.dataset.state.trim()) location.reload();
    };
    if (order) setInterval(() => look().catch(() => {}), 1500);
  });

  // Listened for before the page has a body: a button that can be seen can be clicked.
  addEventListener("click", (event) => {
    const pay = event.target.closest("#pay");
    if (!pay) return;
    const outcome = document.getElementById("outcome");
    const open = () =>
      WeixinJSBridge.invoke("getBrandWCPayRequest", JSON.parse(pay.dataset.payload), (result) => {
        // "ok" is WeChat's word on this phone, and no proof: the order's page waits for the notification.
        if (result.err_msg === "get_brand_wcpay_request:ok") location.href = pay.dataset.back;
        else outcome.textContent = result.err_msg.endsWith(":cancel") ? pay.dataset.cancelled : pay.dataset.failed;
      });
    if (window.WeixinJSBridge) open();
    else document.addEventListener("WeixinJSBridgeReady", open, { once: true });
  });
})();
