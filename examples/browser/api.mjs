// The students' routes of Registrar (docs/api.md, "Students in a browser").

const TIMEOUT_MS = 30_000;

export class Api {
  #url;
  #token;

  constructor(url, token) {
    this.#url = url.replace(/\/$/, "");
    this.#token = token;
  }

  courses() {
    return this.#all("/student/courses", "courses");
  }

  enrollments() {
    return this.#all("/student/enrollments", "enrollments");
  }

  enrollment(courseId) {
    return this.#call("GET", `/student/enrollments/${encodeURIComponent(courseId)}`);
  }

  /**
   * Enrolls the student of the token. Repeating it is safe: there is one enrollment per course, and one charge.
   *
   * `price` and `currency` are what the page shows, so that nobody pays another price.
   */
  enroll(course, paymentMethod) {
    const { course_id, price, currency } = course;
    const payment = price > 0 ? { payment_method: paymentMethod, price, currency } : {};
    return this.#call("POST", "/student/enrollments", { course_id, ...payment });
  }

  /** Every page of a list. */
  async #all(path, name) {
    const entries = [];
    let after = "";
    do {
      const { status, data, message } = await this.#call("GET", `${path}?limit=100${after}`);
      if (status !== 200) throw new Error(`${path} has status ${status}: ${message ?? JSON.stringify(data)}`);
      entries.push(...data[name]);
      after = data.next ? `&after=${encodeURIComponent(data.next)}` : null;
    } while (after !== null);
    return entries;
  }

  async #call(method, path, body) {
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body && { "content-type": "application/json" }),
      },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // API Gateway's own responses, such as 401, are not of Registrar: they have only a message.
    const { data, message } = await response.json();
    return { status: response.status, data, message };
  }
}
