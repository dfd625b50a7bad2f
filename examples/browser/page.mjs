// The page: signs the student in, lists the courses, and enrolls the student in one.

import { Api } from "./api.mjs";
import { begin, finish } from "./sign-in.mjs";

const find = (id) => document.getElementById(id);

const config = await (await fetch("config.json")).json();

find("sign-in").addEventListener("click", () => begin(config).catch(report));
try {
  const signedIn = await finish(config);
  if (signedIn) await show(signedIn);
  else find("sign-in").hidden = false;
} catch (error) {
  report(error);
  find("sign-in").hidden = false;
}

async function show({ token, claims }) {
  find("student").textContent = `Signed in as ${claims.name}`;
  const api = new Api(config.api, token);
  const [courses, enrollments] = await Promise.all([api.courses(), api.enrollments()]);
  const states = new Map(enrollments.map(({ course_id, state }) => [course_id, state]));
  const shown = courses.filter((course) => course.state === "open" || states.has(course.course_id));
  find("courses").replaceChildren(...shown.map((course) => row(api, course, states.get(course.course_id))));
  find("shop").hidden = false;
}

/** A course with its button. All text is set as text, never as HTML. */
function row(api, course, state) {
  const item = document.createElement("li");
  item.dataset.course = course.course_id;
  const title = document.createElement("span");
  title.textContent = `${course.title}, ${price(course)}`;
  const button = document.createElement("button");
  const set = (state) => {
    button.disabled = state === "active";
    button.textContent = button.disabled ? "Enrolled" : course.price > 0 ? "Buy" : "Enroll";
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    say("One moment …");
    let outcome = {};
    try {
      outcome = await enroll(api, course);
      say(outcome.message, outcome.mustConfirm && confirmed(api, course, set));
    } catch (error) {
      report(error);
    }
    set(outcome.state);
  });
  set(state);
  item.append(title, button);
  return item;
}

/** What the page says after an attempt, by status (docs/api.md, "Enroll a student"). */
async function enroll(api, course) {
  const { status, data, message } = await api.enroll(course, find("card").value);
  switch (status) {
    case 200:
    case 201:
      return { state: data.enrollment.state, message: `You are enrolled in ${course.title}.` };
    case 401:
      return { message: "Your sign-in has ended. Load this page again, and sign in." };
    case 402:
      return { message: data.message, mustConfirm: data.payment === "requires_action" };
    case 503:
      return { message: `Not done yet: ${message}. You can repeat it; you pay only once.` };
    default:
      // The errors by field, such as a course that is full, or a price that has changed.
      return { message: Object.values(data ?? { message }).join("; ") };
  }
}

/**
 * The rest of a payment with 3-D Secure. A page with Stripe.js passes the response's `client_secret` to
 * `stripe.handleNextAction`, which shows the bank's window. Stripe then calls Registrar's webhook, which grants the
 * access. So the page has nothing to report, and only looks at the result.
 */
function confirmed(api, course, set) {
  const button = document.createElement("button");
  button.id = "confirmed";
  button.textContent = "I have confirmed";
  button.addEventListener("click", async () => {
    try {
      const { status, data } = await api.enrollment(course.course_id);
      const isActive = status === 200 && data.enrollment.state === "active";
      say(isActive ? `You are enrolled in ${course.title}.` : "The payment is not confirmed yet.", isActive ? null : button);
      if (isActive) set("active");
    } catch (error) {
      report(error);
    }
  });
  return button;
}

/** Prices are in the currency's minor unit: 4900 is 49.00 USD, and 49 JPY is 49 yen. */
function price({ price, currency }) {
  if (price === 0) return "free";
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.format(price / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** Shows a message, and a button after it if there is one. */
function say(message, button) {
  find("message").textContent = message;
  if (button) find("message").append(" ", button);
}

/** For what has no response: no network, an origin that is not in CorsOrigins, or an issuer that refuses. */
function report(error) {
  say(`That did not work: ${error.message}. You can repeat it; you pay only once.`);
}
