// Lambda's runtime API, without the rest of AWS's runtime client, which would only add to the figures.
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');

const exchange = (options, body) =>
  new Promise((resolve, reject) => {
    const sent = request({ agent, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

const call = (method, path, body) => exchange({ host, port, method, path: `/2018-06-01/runtime/${path}` }, body);

// Posts JSON to a server of this machine. The response is that of a function behind API Gateway.
export const post = async (to, path, body) => {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const { status, text } = await exchange({ host: '127.0.0.1', port: to, method: 'POST', path, headers }, body);
  return { statusCode: status, headers: { 'content-type': 'application/json' }, body: text };
};

export const run = async (handler) => {
  for (;;) {
    const { headers, text } = await call('GET', 'invocation/next');
    const id = headers['lambda-runtime-aws-request-id'];
    process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
    try {
      const response = await handler(JSON.parse(text), { awsRequestId: id, functionName: 'measured' });
      await call('POST', `invocation/${id}/response`, JSON.stringify(response));
    } catch (error) {
      await call('POST', `invocation/${id}/error`, JSON.stringify({ errorMessage: String(error) }));
    }
  }
};
