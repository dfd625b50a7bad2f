// BullMQ's own limiter with the same stand-in for the provider: one job, then the backlog.
// benches/use_of_limit/peers.rs starts this process, and kills it when the measurement ends. If the benchmark dies first,
// standard input ends, and this process stops Redis and exits.
import { Agent, request } from 'node:http';
import { Queue, Worker } from 'bullmq';

const number = (name) => Number(process.env[name]);
const connection = { host: '127.0.0.1', port: number('REDIS_PORT'), maxRetriesPerRequest: null };
const agent = new Agent({ keepAlive: true });

const send = () =>
  new Promise((resolve, reject) => {
    const sent = request(process.env.PROVIDER_URL, { method: 'POST', agent }, (response) => {
      response.resume().on('end', resolve);
    });
    sent.on('error', reject).end();
  });

const queue = new Queue('email', { connection });
const add = (count) => queue.addBulk(Array.from({ length: count }, (_, n) => ({ name: 'email', data: { n } })));

new Worker('email', send, {
  connection,
  concurrency: 10,
  limiter: { max: number('LIMIT'), duration: number('WINDOW_MS') },
});

await add(1);
setTimeout(() => add(number('JOBS') - 1), number('BACKLOG_AFTER_MS'));

process.stdin.resume().on('end', async () => {
  const redis = await queue.client;
  await redis.shutdown('NOSAVE').catch(() => {});
  process.exit();
});
