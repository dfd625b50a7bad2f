//! The operations of students themselves, from a browser. They are in the API with `AuthMode=JWT`.

use utoipa::openapi::{HttpMethod, path::OperationBuilder, security::SecurityRequirement};

use super::{
    operations::{
        Route, body, common, enrolls, lists_courses, lists_enrollments, route, shows_course,
        shows_enrollment,
    },
    requests::StudentEnrollBody,
    responses::gateway,
};

/// The name of the security scheme of students' tokens.
pub(super) const TOKEN: &str = "student_token";

pub(super) fn all() -> Vec<Route> {
    let enroll =
        enrolls(with_token("A student enrolls in a course. Who it is comes from the token."))
            .request_body(Some(body::<StudentEnrollBody>("student-enroll")));
    let show = shows_enrollment(with_token("The student's own enrollment in a course."));
    let summary = "The student's own enrollments, in the order of their courses.";
    let list = lists_enrollments(with_token(summary));
    let course = shows_course(with_token("A course, as it is now."));
    let courses = lists_courses(with_token("The courses, in the order of their ids."));
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
