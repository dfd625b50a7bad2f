// The same with AWS Powertools: a log line, a metric and a trace per request.
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { Tracer } from '@aws-lambda-powertools/tracer';
import { enroll, sqs } from './enroll.mjs';
import { dynamodb } from './enrollment.mjs';
import { run } from './runtime.mjs';

const service = 'enroll';
const logger = new Logger({ serviceName: service });
const metrics = new Metrics({ namespace: 'Registrar', serviceName: service });
const tracer = new Tracer({ serviceName: service });
tracer.captureAWSv3Client(dynamodb);
tracer.captureAWSv3Client(sqs);

run(async (event, context) => {
  logger.addContext(context);
  const response = await enroll(event);
  metrics.addMetric('Enrolled', MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
  logger.info('enrolled', { status: response.statusCode });
  return response;
});
