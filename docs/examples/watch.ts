// Exports one reading, and prints every state until the end. npm install databox-export-client
import { ExportClient } from 'databox-export-client';

const client = ExportClient.fromEnvironment({ path: '/lp/export' });

const submitted = await client.submit({
  destination: process.env.DESTINATION ?? '',
  data: { celsius: 21.5 },
});
console.log(submitted.state);
for await (const status of client.watch(submitted)) {
  if (status.state === 'Finished') console.log(status.state, status.answer.status, status.answer.body);
  else console.log(status.state, status.lastError?.detail ?? '');
}
