// The calls of an enrollment in a free course, as `enroll` makes them: grant it, send the email job, and take the
// enrollment out of the resumer's index.
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { dynamodb, grant, number, text } from './enrollment.mjs';

const { EMAIL_QUEUE_URL, ENROLLMENTS_TABLE } = process.env;

// The stand-in for SQS returns no digests.
export const sqs = new SQSClient({ md5: false });

export const enroll = async (event) => {
  const request = JSON.parse(event.body);
  const { id, job, response } = await grant(request);
  await sqs.send(new SendMessageCommand({ QueueUrl: EMAIL_QUEUE_URL, MessageBody: JSON.stringify(job) }));
  await dynamodb.send(
    new UpdateItemCommand({
      TableName: ENROLLMENTS_TABLE,
      Key: { student_id: text(request.student_id), course_id: text(request.course_id) },
      UpdateExpression: 'REMOVE resume_at, resume_shard',
      ConditionExpression: 'id = :id AND version = :version',
      ExpressionAttributeValues: { ':id': text(id), ':version': number(0) },
    }),
  );
  return { statusCode: 201, headers: { 'content-type': 'application/json' }, body: JSON.stringify(response) };
};
