// What jsforce does in the same race: run by bench/clients.py with the server's address, the task and the rows.
import { createRequire } from "node:module";
const require = createRequire(process.env.JSFORCE + "/");
const jsforce = require("jsforce");
const [url, task, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const connection = new jsforce.Connection({ instanceUrl: url, accessToken: "token", version: "60.0", maxRequest: 8 });
const rows = Array.from({ length: count }, (_, n) => (
  { Ext__c: `x${n}`, LastName: `Tremblay ${n}`, Email: `p${n}@example.com`, Active__c: true }));
const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
let done = 0;
if (task === "read") {
  const found = await connection.query("SELECT Id, LastName, Email, Active__c, Points__c FROM Contact",
    { autoFetch: true, maxFetch: count });
  for (const row of found.records) if (row.Id) done += 1;
} else {
  // allowRecursive: slices of 200, one after the other; that is what jsforce offers for many records
  done = (await connection.sobject("Contact").upsert(rows, "Ext__c", { allowRecursive: true })).length;
}
const used = process.cpuUsage(cpu);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(JSON.stringify({ done, seconds, cpu: (used.user + used.system) / 1e6, version: jsforce.VERSION ?? "" }));
