// Send an item and what a user said of it; run it again after any failure.
import { readFileSync } from "node:fs";
const agent = "http://127.0.0.1:7080/v1", token = readFileSync(process.argv[2], "utf8").trim();
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
const send = async (path, body) => {
  const request = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  const response = await fetch(agent + path, request);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
};
await send("/items", { project: "heart-disease", items: [{ id: "17", patient: "p9", age: 63 }] });
console.log(await send("/items/17?project=heart-disease"));
console.log(await send("/items/17/corrections?project=heart-disease", { key: "viewer-0001", label: "disease", context: { time: "night" } }));
