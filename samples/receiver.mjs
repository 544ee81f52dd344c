// A destination to try things with: prints what arrives at http://127.0.0.1:9000 (PORT=… for another port).
import { createServer } from 'node:http';

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  console.log(`${request.method} ${request.url} ${request.headers['webhook-id']}\n${body}`);
  response.writeHead(200, { 'content-type': 'text/plain' }).end('thanks');
});
server.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', () => {
  console.log(`receiving at http://127.0.0.1:${server.address().port}`);
});
