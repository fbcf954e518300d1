/**
 * Answers each message "order …" with a message "invoice …" in the same log. It can be ended at any
 * moment, also by kill -9: started again, it goes on, and no order has two invoices.
 *
 *     node clients/examples/answer_orders.js
 */

import { readFile, rename, writeFile } from "node:fs/promises";

import { Client } from "../acklog.js";

const place = process.env.PLACE ?? "orders.cursor";
const cursor = await readFile(place, "utf8").catch((error) => {
  // Only where there is no cursor yet does it begin at the log's first message.
  if (error.code !== "ENOENT") throw error;
});
const client = new Client(process.env.ACKLOG_URL ?? "localhost:8000,localhost:8001,localhost:8002");

for await (const item of client.follow({ cursor, readConcern: "majority" })) {
  if (item.gap) throw new Error(`messages ${item.gap.start} to ${item.gap.end - 1} are gone`);
  if (item.text.startsWith("order ")) {
    // The effect may be repeated: the key, made of the order's cursor, makes it one message.
    const key = `invoice-for-${item.cursor}`;
    const { id } = await client.append(item.text.replace("order", "invoice"), { key });
    console.log(`order ${item.id} has the invoice ${id}`);
  }
  // Only then the cursor: the file is replaced as a whole.
  await writeFile(`${place}.new`, item.cursor);
  await rename(`${place}.new`, place);
}
