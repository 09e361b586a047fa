// Nodemailer's pool as a sender of the delivery benchmark: an order (JSON) on standard input, its
// figures (JSON) on standard output.

import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const SENDER = "billing@contoso.test";
const RECIPIENT = "ana@example.com";
const WARM = 2;

const order = JSON.parse(readFileSync(0, "utf8"));
const file = Buffer.alloc(order.attachment);
for (let index = 0; index < file.length; index += 1) file[index] = index % 251;
const attachments = file.length ? [{ filename: "report.bin", content: file }] : [];
const ready = order.raw ? Buffer.from(order.raw, "base64") : null;

const transport = nodemailer.createTransport({
  pool: true,
  maxConnections: order.sessions,
  maxMessages: Infinity,
  host: "localhost",
  port: order.port,
  requireTLS: true,
  tls: { ca: readFileSync(order.ca) },
  auth: { type: "OAuth2", user: SENDER, accessToken: order.token },
});

let number = 0;
function send() {
  if (ready) {
    return transport.sendMail({ envelope: { from: SENDER, to: [RECIPIENT] }, raw: ready });
  }
  number += 1;
  return transport.sendMail({
    from: SENDER,
    to: RECIPIENT,
    subject: `Your invoice ${number}`,
    date: new Date(Date.UTC(2026, 11, 1)),
    messageId: `<${number}@contoso.test>`,
    text: order.text,
    attachments,
  });
}

// Twice as many at once as there are connections: none of them waits for the next message.
const tasks = 2 * order.sessions;
for (let round = 0; round < WARM; round += 1) {
  await Promise.all(Array.from({ length: tasks }, send));
}

let messages = 0;
const before = process.cpuUsage();
const started = performance.now();
async function work() {
  while (performance.now() - started < order.seconds * 1000) {
    await send();
    messages += 1;
  }
}
await Promise.all(Array.from({ length: tasks }, work));
const seconds = (performance.now() - started) / 1000;
const cpu = process.cpuUsage(before);
const peak = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ messages, seconds, cpu: (cpu.user + cpu.system) / 1e6, peak }));
transport.close();
