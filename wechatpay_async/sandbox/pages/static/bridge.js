// Stands in for WeChat's `WeixinJSBridge` on a merchant's page: opens the sandbox's cashier over it and gives its result back.
"use strict";
(() => {
  const sandbox = new URL(document.currentScript.src);
  const page = new URL("../jsapi", sandbox);

  function invoke(name, params, callback) {
    const address = new URL(page);
    address.searchParams.set("name", name);
    address.searchParams.set("params", JSON.stringify(params));
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", "WeChat Pay sandbox");
    dialog.style.cssText = "padding:0;border:0;border-radius:12px;width:min(30rem,96vw);height:min(44rem,92vh)";
    const frame = document.createElement("iframe");
    frame.title = "WeChat Pay sandbox";
    frame.style.cssText = "border:0;width:100%;height:100%;display:block";
    frame.src = address.href;
    dialog.append(frame);

    function finish(result) {
      removeEventListener("message", hear);
      dialog.remove();
      callback?.(result);
    }
    function hear(event) {
      if (event.origin === sandbox.origin && event.source === frame.contentWindow && event.data?.wechatpaySandbox) {
        finish(event.data.wechatpaySandbox);
      }
    }
    addEventListener("message", hear);
    const cancelled = name === "getBrandWCPayRequest" ? "get_brand_wcpay_request" : name;
    dialog.addEventListener("cancel", () => finish({ err_msg: `${cancelled}:cancel` }));
    document.body.append(dialog);
    dialog.showModal();
  }

  window.WeixinJSBridge = { invoke, isSandbox: true };
  setTimeout(() => document.dispatchEvent(new Event("WeixinJSBridgeReady")), 0);
})();
