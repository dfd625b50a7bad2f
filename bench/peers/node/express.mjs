// What Registrar grew from: a server of Express, whose route grants the enrollment and adds the email job to a queue of BullMQ
// in Redis. Nothing resumes an enrollment whose job was not added, so there is no last write.
import express from 'express';
import { Queue } from 'bullmq';
import { grant } from './enrollment.mjs';
import { post, run } from './runtime.mjs';

const { REDIS_HOST, REDIS_PORT } = process.env;
const ROUTE = '/add-user-to-course';

const queue = new Queue('email', { connection: { host: REDIS_HOST, port: Number(REDIS_PORT), tls: {} } });

const app = express();
app.use(express.json());
app.post(ROUTE, async (request, response) => {
  const granted = await grant(request.body);
  await queue.add('email', granted.job);
  response.status(201).json(granted.response);
});

// A server gets its requests by HTTP. This process therefore posts each event to itself, as a web adapter on Lambda does.
const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  run((event) => post(port, ROUTE, event.body));
});
