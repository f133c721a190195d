// Looks whether an order has moved on, and opens WeChat's payment where the page is in WeChat.
"use strict";
(() => {
  const order = document.querySelector("[data-watch]");
  if (order) {
    const look = async () => {
      const answer = await fetch(order.dataset.watch, { cache: "no-store" });
      if (answer.ok && (await answer.text()).trim() !== order.dataset.state.trim()) location.reload();
    };
    setInterval(() => look().catch(() => {}), 1500);
  }

  const pay = document.getElementById("pay");
  if (pay) {
    const outcome = document.getElementById("outcome");
    pay.addEventListener("click", () => {
      const open = () =>
        WeixinJSBridge.invoke("getBrandWCPayRequest", JSON.parse(pay.dataset.payload), (result) => {
          // "ok" is WeChat's word on this phone, and no proof: the order's page waits for the notification.
          if (result.err_msg === "get_brand_wcpay_request:ok") location.href = pay.dataset.back;
          else outcome.textContent = result.err_msg.endsWith(":cancel") ? pay.dataset.cancelled : pay.dataset.failed;
        });
      if (window.WeixinJSBridge) open();
      else document.addEventListener("WeixinJSBridgeReady", open, { once: true });
    });
  }
})();
