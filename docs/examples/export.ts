// Exports one reading, and waits for the destination's answer. npm install databox-export-client
import { ExportClient } from 'databox-export-client';

// EXPORT_URL and EXPORT_TOKEN; lost answers, 429, 503 and refused tokens are taken care of.
const client = ExportClient.fromEnvironment();

const { answer } = await client.submitAndWait({
  destination: process.env.DESTINATION ?? '',
  data: { room: 'Küche', celsius: 21.5 },
});
if (answer.ok) console.log(`${answer.status} ${answer.body}`);
else console.error(answer.error?.detail ?? `The destination answered ${answer.status}.`);
