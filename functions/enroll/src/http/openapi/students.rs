//! The operations of students themselves, from a browser. They are in the API with `AuthMode=JWT`.

use utoipa::openapi::{HttpMethod, path::OperationBuilder, security::SecurityRequirement};

use super::{
    super::responses::{CourseShown, CoursesPage, EnrollmentShown, EnrollmentsPage},
    operations::{Route, body, common, course_in_path, done, enrolls, invalid, query, route},
    requests::StudentEnrollBody,
    responses::{fail_or_gateway, gateway, success, tagged},
    schema::{CourseState, Cursor, PageSize},
};

/// The name of the security scheme of students' tokens.
pub(super) const TOKEN: &str = "student_token";

pub(super) fn all() -> Vec<Route> {
    let enroll =
        enrolls(with_token("A student enrolls in a course. Who it is comes from the token."))
            .request_body(Some(body::<StudentEnrollBody>("student-enroll")));
    let show = with_token("The student's own enrollment in a course.")
        .parameter(course_in_path())
        .response("200", done::<EnrollmentShown>("The enrollment."))
        .response("404", fail_or_gateway("The student has no enrollment in this course."))
        .response("422", invalid());
    let list = with_token("The student's own enrollments, in the order of their courses.")
        .parameter(query::<PageSize>("limit"))
        .parameter(query::<Cursor>("after"))
        .response("200", done::<EnrollmentsPage>("A page, also if there are none."))
        .response("422", invalid());
    let course = with_token("A course, as it is now.")
        .parameter(course_in_path())
        .response("200", tagged(success::<CourseShown>("The course.")))
        .response("404", fail_or_gateway("No such course."))
        .response("422", invalid());
    let courses = with_token("The courses, in the order of their ids.")
        .parameter(query::<CourseState>("state"))
        .parameter(query::<PageSize>("limit"))
        .parameter(query::<Cursor>("after"))
        .response("200", done::<CoursesPage>("A page, also if there are none."))
        .response("422", invalid());
    vec![
        route(HttpMethod::Post, "/student/enrollments", "enrollMyself", enroll),
        route(HttpMethod::Get, "/student/enrollments", "listMyEnrollments", list),
        route(HttpMethod::Get, "/student/enrollments/{course_id}", "showMyEnrollment", show),
        route(HttpMethod::Get, "/student/courses", "listCoursesAsStudent", courses),
        route(HttpMethod::Get, "/student/courses/{course_id}", "showCourseAsStudent", course),
    ]
}

fn with_token(summary: &str) -> OperationBuilder {
    common(summary)
        .response("401", gateway("The token is missing, wrong or expired."))
        .security(SecurityRequirement::new(TOKEN, Vec::<String>::new()))
}
