// The calls of an enrollment in a free course, as `enroll` makes them: read the course (cached for 10 s), write the
// enrollment by a condition, send the email job, and take the enrollment out of the resumer's index.
import { randomUUID } from 'node:crypto';
import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

const COURSE_SECONDS = 10;
const { COURSES_TABLE, ENROLLMENTS_TABLE, EMAIL_QUEUE_URL } = process.env;

export const dynamodb = new DynamoDBClient({});
// The stand-in for SQS returns no digests.
export const sqs = new SQSClient({ md5: false });
const courses = new Map();

const text = (S) => ({ S });
const number = (N) => ({ N: String(N) });

const findCourse = async (id) => {
  const known = courses.get(id);
  if (known && Date.now() - known.readAt < COURSE_SECONDS * 1000) return known.course;
  const key = { course_id: text(id) };
  const { Item } = await dynamodb.send(new GetItemCommand({ TableName: COURSES_TABLE, Key: key, ConsistentRead: true }));
  courses.set(id, { course: Item, readAt: Date.now() });
  return Item;
};

export const enroll = async (event) => {
  const request = JSON.parse(event.body);
  const course = await findCourse(request.course_id);
  const id = randomUUID();
  const now = new Date();
  const enrollment = {
    id: text(id),
    student_id: text(request.student_id),
    course_id: text(request.course_id),
    course_title: course.title,
    email: text(request.email),
    name: text(request.name),
    state: text('active'),
    created_at: text(now.toISOString()),
    version: number(0),
    resume_at: number(Math.floor(now / 1000) + 60),
    resume_shard: number(3),
    roster_shard: text(`${request.course_id}#3`),
    roster_at: text(now.toISOString()),
  };
  await dynamodb.send(
    new PutItemCommand({
      TableName: ENROLLMENTS_TABLE,
      Item: enrollment,
      ConditionExpression: 'attribute_not_exists(student_id)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    }),
  );
  const job = {
    v: 1,
    id,
    to: request.email,
    template: 'enrollment-confirmation',
    data: { student_name: request.name, course_title: course.title.S },
  };
  await sqs.send(new SendMessageCommand({ QueueUrl: EMAIL_QUEUE_URL, MessageBody: JSON.stringify(job) }));
  await dynamodb.send(
    new UpdateItemCommand({
      TableName: ENROLLMENTS_TABLE,
      Key: { student_id: enrollment.student_id, course_id: enrollment.course_id },
      UpdateExpression: 'REMOVE resume_at, resume_shard',
      ConditionExpression: 'id = :id AND version = :version',
      ExpressionAttributeValues: { ':id': enrollment.id, ':version': enrollment.version },
    }),
  );
  const data = {
    enrollment: { id, ...request, course_title: course.title.S, state: 'active', created_at: now.toISOString() },
    message: 'Enrolled Success',
  };
  return {
    statusCode: 201,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ status: 'success', data }),
  };
};
