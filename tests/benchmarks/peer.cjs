// Makes as many calls as each line of the standard input says ("2000 50": calls, in flight) with wechatpay-axios-plugin.
const http = require('node:http');
const readline = require('node:readline');
const { Wechatpay } = require('wechatpay-axios-plugin');

const { BASE_URL, MCHID, SERIAL, PRIVATE_KEY, PUBLIC_KEY_ID, PUBLIC_KEY, ORDER } = process.env;
const order = JSON.parse(ORDER);
const wxpay = new Wechatpay({
  mchid: MCHID,
  serial: SERIAL,
  privateKey: PRIVATE_KEY,
  certs: { [PUBLIC_KEY_ID]: PUBLIC_KEY },
  baseURL: BASE_URL,
  httpAgent: new http.Agent({ keepAlive: true }),
});

async function run(calls, inFlight) {
  let left = calls;
  const work = async () => {
    while (left-- > 0) {
      const { data } = await wxpay.v3.pay.transactions.native.post(order);
      if (!data.code_url) throw new Error('no code_url');
    }
  };
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: inFlight }, work));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(cpu);
  return { seconds, cpu: (used.user + used.system) / 1e6 };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [calls, inFlight] = line.split(' ').map(Number);
    console.log(JSON.stringify(await run(calls, inFlight)));
  }
})();
