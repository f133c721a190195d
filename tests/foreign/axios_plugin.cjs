// `wechatpay-axios-plugin` of npm against the sandbox: argv[2] is what its constructor takes and where the sandbox is, as JSON.
"use strict";
const http = require("node:http");
const { Wechatpay, Rsa, Aes, Formatter } = require("wechatpay-axios-plugin");

const { base_url: baseURL, mchid, serial, private_key: privateKey, certs, apiv3_key: apiv3Key, appid } = JSON.parse(process.argv[2]);
const wxpay = new Wechatpay({ mchid, serial, privateKey, certs, baseURL });

const waiting = [];
const merchant = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString("utf8");
    const header = (name) => request.headers[`wechatpay-${name}`];
    const verified = Rsa.verify(Formatter.response(header("timestamp"), header("nonce"), body), header("signature"), certs[header("serial")]);
    const { event_type: event, resource } = JSON.parse(body);
    const opened = JSON.parse(Aes.AesGcm.decrypt(resource.ciphertext, apiv3Key, resource.nonce, resource.associated_data));
    response.writeHead(verified ? 204 : 401).end();
    waiting.shift()({ verified, event, opened });
  });
});
const notification = () => new Promise((resolve) => waiting.push(resolve));
const people = (path, data) =>
  fetch(`${baseURL}/_sandbox/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });

merchant.listen(0, "127.0.0.1", async () => {
  const notify_url = `http://127.0.0.1:${merchant.address().port}/notify`;
  try {
    const found = {};
    try {
      const { data } = await wxpay.v3.certificates.get();
      found.certificates = data.data.map(({ serial_no, encrypt_certificate: sealed }) => ({
        serial: serial_no,
        pem: Aes.AesGcm.decrypt(sealed.ciphertext, apiv3Key, sealed.nonce, sealed.associated_data),
      }));
    } catch (error) {
      found.certificates = error.response.data.code;
    }
    const order = { mchid, appid, description: "一本书", out_trade_no: "axios-0001", notify_url, amount: { total: 100, currency: "CNY" } };
    found.code_url = (await wxpay.v3.pay.transactions.native.post(order)).data.code_url;
    let told = notification();
    await people("pay", { out_trade_no: "axios-0001" });
    found.paid = await told;
    const query = wxpay.v3.pay.transactions.outTradeNo._out_trade_no_;
    found.state = (await query.get({ params: { mchid }, out_trade_no: "axios-0001" })).data.trade_state;
    const refund = { out_trade_no: "axios-0001", out_refund_no: "axios-refund-1", notify_url, amount: { refund: 60, total: 100, currency: "CNY" } };
    found.refund = (await wxpay.v3.refund.domestic.refunds.post(refund)).data.status;
    told = notification();
    await people("refunds/finish", { out_refund_no: "axios-refund-1" });
    found.refunded = await told;
    process.stdout.write(JSON.stringify(found));
  } catch (error) {
    process.stderr.write(`${error.stack}\n${JSON.stringify(error.response?.data ?? null)}\n`);
    process.exitCode = 1;
  }
  merchant.close();
  merchant.closeAllConnections();
});
