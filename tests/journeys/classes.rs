//! A whole class from a file, and courses from a file, with only the permissions of the template's policies.

use std::{env, fs, path::PathBuf, sync::Arc};

use journeys::{
    DeployedStack, Student, eventually,
    operator::{AWS_FAILED, CommandOutput, LINES_LEFT, registrar_as, registrar_until},
    unique_id,
};
use serde_json::json;
use tokio::sync::Notify;

/// The exit code if the file is wrong.
const INVALID: u8 = 2;

/// A file of its own, and the results beside it, which end with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = env::temp_dir().join(unique_id(name));
        fs::write(&path, text).expect("the file can be written");
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("an ASCII path")
    }

    fn results_path(&self) -> String {
        format!("{}.results.csv", self.name())
    }

    fn results(&self) -> Vec<String> {
        let text = fs::read_to_string(self.results_path()).unwrap_or_default();
        text.lines().skip(2).map(str::to_owned).collect()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_file(self.results_path());
    }
}

async fn act(stack: &DeployedStack, args: &[&str]) -> CommandOutput {
    registrar_as(stack, &stack.description.payments_operator, args).await
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn class_of_200_is_interrupted_and_ends_with_one_result_per_line() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("A Class").await;
    let students: Vec<_> = (0..200).map(|n| Student::named(&format!("Student {n}"))).collect();
    // Two lines differ from what is there, one has no course.
    for student in &students[10..12] {
        assert_eq!(stack.enroll(student, &course).await.status, 201);
    }
    let line = |(n, student): (usize, &Student)| {
        let name = if (10..12).contains(&n) { "Somebody Else" } else { &student.name };
        format!("{name},{},{course},{}\n", student.email, student.id)
    };
    let header = "name,email,course_id,student_id\n";
    let text = format!("{header}{}", students.iter().enumerate().map(line).collect::<String>());
    let wrong = File::new("wrong", &text.replace(&students[7].email, "nobody"));
    let refused = act(&stack, &["enroll", wrong.name(), "--apply"]).await;
    refused.expect(INVALID, &[]);
    assert!(refused.err.contains("line 9, column email: "), "{refused:?}");
    assert!(wrong.results().is_empty());

    let class = File::new("class", &text);
    let dry = act(&stack, &["enroll", class.name()]).await;
    dry.expect(LINES_LEFT, &["would be, of 200 lines: 198 enrolled, 2 refused (2 differs)"]);
    assert!(class.results().is_empty());

    let interrupt = Arc::new(Notify::new());
    let args = ["enroll", class.name(), "--apply"];
    let first = registrar_until(
        &stack,
        &stack.description.payments_operator,
        &args,
        Arc::clone(&interrupt),
    );
    let while_it_runs = async {
        eventually("some results", async || (class.results().len() >= 20).then_some(())).await;
        interrupt.notify_one();
    };
    let (first, ()) = tokio::join!(first, while_it_runs);
    first.expect(LINES_LEFT, &["repeat the command to continue"]);
    assert!(class.results().len() < 200, "it was too fast to be interrupted");
    // As a process that is killed while it writes.
    let mut killed = fs::read(class.results_path()).expect("there are results");
    killed.truncate(killed.len() - 5);
    fs::write(class.results_path(), killed).expect("the file can be written");

    let second = act(&stack, &args).await;
    second.expect(LINES_LEFT, &["200 lines: 198 enrolled, 2 refused (2 differs)"]);
    second.expect_without("@");
    let results = class.results();
    assert_eq!(results.len(), 200);
    let mut lines: Vec<u32> = results
        .iter()
        .map(|row| row.split(',').next().expect("a line").parse().expect("its number"))
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, (2..=201).collect::<Vec<_>>());
    assert!(!results.join("\n").contains('@'));
    let third = act(&stack, &args).await;
    third.expect(LINES_LEFT, &["200 lines: 198 enrolled"]);
    assert_eq!(class.results(), results, "nothing is done twice");
    for student in [&students[0], &students[199]] {
        let item = stack.enrollment_item(student, &course).await;
        assert_eq!(item["history"].as_l().expect("a list").len(), 1, "{item:?}");
    }

    stack.run_resumer().await;
    for student in &students {
        stack.wait_for_email_to(&student.email).await;
    }
    let ids: Vec<_> = students.iter().map(|student| format!("{},{course}\n", student.id)).collect();
    let end = File::new("end", &format!("student_id,course_id\n{}", ids.concat()));
    let ended = act(&stack, &["unenroll", end.name(), "--reason", "over", "--apply"]).await;
    ended.expect(0, &["200 lines: 200 unenrolled"]);
    let state = &stack.enrollment(&students[5], &course).await["enrollment"]["state"];
    assert_eq!(*state, "unenrolled");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn priced_course_is_granted_to_a_class_only_with_a_reason() {
    let stack = DeployedStack::shared().await;
    let course = json!({"title": "Dear", "price": 4900, "currency": "USD", "state": "open"});
    let course = stack.create_course(course).await;
    let student = Student::named("Ada Lovelace");
    let text = format!(
        "student_id,course_id,email,name\n{},{course},{},{}\n",
        student.id, student.email, student.name
    );
    let class = File::new("granted", &text);
    let refused = act(&stack, &["enroll", class.name(), "--apply"]).await;
    refused.expect(INVALID, &[]);
    assert!(
        refused.err.contains("line 2, column course_id: this course has a price"),
        "{refused:?}"
    );
    let nameless = act(&stack, &["enroll", class.name(), "--grant", "--apply"]).await;
    assert!(nameless.err.contains("line 2, column reason: is missing"), "{nameless:?}");
    let args = ["enroll", class.name(), "--grant", "--reason", "won", "--apply"];
    act(&stack, &args).await.expect(0, &["1 lines: 1 granted"]);
    let again = File::new("granted-again", &text);
    let args = ["enroll", again.name(), "--grant", "--reason", "won", "--apply"];
    let others = registrar_as(&stack, &stack.description.operator, &args).await;
    others.expect(AWS_FAILED, &[]);
    let item = stack.enrollment_item(&student, &course).await;
    assert_eq!(item["state"].as_s().map(String::as_str), Ok("active"));
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn courses_are_imported_by_the_operator_of_the_catalogue_and_by_nobody_else() {
    let stack = DeployedStack::shared().await;
    let (old, new) = (stack.create_free_course("Old").await, unique_id("course"));
    let text = format!(
        "course_id,title,price,currency,state,seats\n{old},Renamed,0,USD,open,\n{new},New,4900,USD,open,20\n"
    );
    let file = File::new("courses", &text);
    let import = ["course", "import", file.name()];
    let as_operator =
        async |args: &[&str]| registrar_as(&stack, &stack.description.operator, args).await;
    as_operator(&import).await.expect(0, &["would be 1 new, 1 changed, 0 the same"]);
    let apply = [&import[..], &["--apply"]].concat();
    for credentials in [&stack.description.payments_operator, &stack.description.reader] {
        let refused = registrar_as(&stack, credentials, &apply).await;
        refused.expect(AWS_FAILED, &[]);
    }
    let applied = as_operator(&apply).await;
    applied.expect(0, &["title from \"Old\" to \"Renamed\"", "1 new, 1 changed, 0 the same"]);
    as_operator(&apply).await.expect(0, &["0 new, 0 changed, 2 the same"]);
    let read = stack.call(&stack.operator, "GET", &format!("/courses/{new}"), "").await;
    assert_eq!(read.body["data"]["course"]["seats"], 20, "{:?}", read.body);
    let args = ["course", "show", &new];
    let shown = registrar_as(&stack, &stack.description.reader, &args).await;
    shown.expect(0, &["0 of 20 are taken", "created to 4900 USD"]);

    let dear = File::new("courses", &text.replace("New,4900", "New,5900"));
    let refused = as_operator(&["course", "import", dear.name(), "--apply"]).await;
    refused.expect(INVALID, &[]);
    assert!(refused.err.contains("line 3, column price: "), "{refused:?}");
    let changed =
        as_operator(&["course", "import", dear.name(), "--apply", "--change-prices"]).await;
    changed.expect(0, &["price from 4900 to 5900", "0 new, 1 changed, 1 the same"]);
}
