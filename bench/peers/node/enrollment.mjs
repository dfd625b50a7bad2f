// The part of an enrollment in a free course that all peers have: read the course (cached for 10 s), and write the
// enrollment by a condition.
import { randomUUID } from 'node:crypto';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';

const COURSE_SECONDS = 10;
const { COURSES_TABLE, ENROLLMENTS_TABLE } = process.env;

export const dynamodb = new DynamoDBClient({});
const courses = new Map();

export const text = (S) => ({ S });
export const number = (N) => ({ N: String(N) });

const findCourse = async (id) => {
  const known = courses.get(id);
  if (known && Date.now() - known.readAt < COURSE_SECONDS * 1000) return known.course;
  const key = { course_id: text(id) };
  const { Item } = await dynamodb.send(new GetItemCommand({ TableName: COURSES_TABLE, Key: key, ConsistentRead: true }));
  courses.set(id, { course: Item, readAt: Date.now() });
  return Item;
};

// Returns the id, the email job, and the response to the client.
export const grant = async (request) => {
  const course = await findCourse(request.course_id);
  const id = randomUUID();
  const now = new Date();
  const title = course.title.S;
  const enrollment = {
    id: text(id),
    student_id: text(request.student_id),
    course_id: text(request.course_id),
    course_title: text(title),
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
  const data = { student_name: request.name, course_title: title };
  const job = { v: 1, id, to: request.email, template: 'enrollment-confirmation', data };
  const granted = { id, ...request, course_title: title, state: 'active', created_at: now.toISOString() };
  return { id, job, response: { status: 'success', data: { enrollment: granted, message: 'Enrolled Success' } } };
};
