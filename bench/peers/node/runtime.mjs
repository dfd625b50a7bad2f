// Lambda's runtime API, without the rest of AWS's runtime client, which would only add to the figures.
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const sent = request({ agent, host, port, method, path: `/2018-06-01/runtime/${path}` }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve({ headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

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
