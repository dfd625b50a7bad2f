// Enrolls a student: npm run build && npm start -- STUDENT COURSE EMAIL NAME [PAYMENT_METHOD]
// Needs the address of the API in API, and AWS credentials.
import { AwsClient } from "aws4fetch";

type Body = {
  data?: { enrollment?: { id: string }; payment?: string; message?: string } & Record<string, unknown>;
  message?: string;
};

const FIELDS = ["student_id", "course_id", "email", "name", "payment_method"];
const MAX_TRIES = 5;
// API Gateway responds within 30 s.
const TIMEOUT_MS = 35_000;

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is missing`);
  return value;
}

// Sends the request, and repeats it as long as the API says when: it never charges or enrolls twice.
async function enroll(request: Record<string, string>): Promise<Response> {
  const client = new AwsClient({
    accessKeyId: variable("AWS_ACCESS_KEY_ID"),
    secretAccessKey: variable("AWS_SECRET_ACCESS_KEY"),
    sessionToken: process.env.AWS_SESSION_TOKEN,
    region: process.env.AWS_REGION ?? "us-east-1",
    service: "execute-api",
    retries: 0,
  });
  for (let attempt = 1; ; attempt++) {
    const response = await client.fetch(`${variable("API")}/enrollments`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const wait = response.headers.get("retry-after");
    if (response.status !== 503 || wait === null || attempt === MAX_TRIES) return response;
    await new Promise((resolve) => setTimeout(resolve, Number(wait) * 1000));
  }
}

function describe(status: number, { data, message }: Body): string {
  if (status === 201) return `enrolled: ${data?.enrollment?.id}`;
  if (status === 200) return `enrolled already: ${data?.enrollment?.id}`;
  if (status === 402 && data?.payment === "requires_action")
    return "the bank asks the student: continue with client_secret in Stripe.js";
  if (status === 402) return `not paid: ${data?.message}`;
  return `refused with ${status}: ${JSON.stringify(data ?? message)}`; // The wrong fields, or a message.
}

const given = process.argv.slice(2).map((value, at) => [FIELDS[at], value]);
const response = await enroll(Object.fromEntries(given));
console.log(describe(response.status, (await response.json()) as Body));
process.exitCode = response.ok ? 0 : 1;
