//! The routes.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use email_templates::Language;
use serde::Deserialize;

use crate::{
    clock,
    dead_letters::{Applied, Which},
    outcome::Failure,
    why::facts::Subject,
};

use super::{
    calls::Calls,
    frame::{Frame, Notice, Section, page, page_with},
    pages::{about, emails, enrollments, holds, jobs, letters, overview},
    security::{self, Access},
    watch::Watched,
    words::encoded,
};

/// The largest form has a few hundred bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

#[derive(Clone)]
pub(super) struct Console {
    pub(super) access: Access,
    pub(super) stack: String,
    pub(super) calls: Arc<dyn Calls>,
    pub(super) watched: Arc<Watched>,
}

pub(super) fn router(console: Console) -> Router {
    let access = console.access.clone();
    let base = access.base();
    let routes = Router::new()
        .route("/live/overview", get(overview_live))
        .route("/look", post(look))
        .route("/jobs", get(jobs_form).post(jobs_found))
        .route("/jobs/{id}", get(job))
        .route("/enrollment", get(enrollment))
        .route("/letters", get(all_letters))
        .route("/letters/confirm", get(confirm))
        .route("/letters/apply", post(apply))
        .route("/letter/{id}", get(letter))
        .route("/enrollments", get(unfinished))
        .route("/holds", get(all_holds))
        .route("/hold", post(hold))
        .route("/release", post(release))
        .route("/emails", get(all_emails))
        .route("/emails/{language}/{name}", get(email))
        .route("/console.css", get(css))
        .route("/console.js", get(js));
    Router::new()
        .route(&base, get(overview))
        .nest(base.trim_end_matches('/'), routes)
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(middleware::from_fn_with_state(access, security::guard))
        .with_state(console)
}

impl Console {
    fn frame(&self, section: Section) -> Frame {
        Frame { base: self.access.base(), stack: self.stack.clone(), section }
    }

    /// Runs a call on a thread of its own.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Calls) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let calls = Arc::clone(&self.calls);
        match tokio::task::spawn_blocking(move || call(&*calls)).await {
            Ok(result) => result,
            // It was cancelled, or it panicked, which the terminal shows.
            Err(_) => Err(Failure::Interrupted),
        }
    }
}

fn noted<T>(result: Result<T, Failure>) -> Result<T, Notice> {
    result.map_err(|failure| Notice::from(&failure))
}

fn view(console: &Console) -> overview::View {
    let (seen, base) = (console.watched.seen(), console.access.base());
    let problem = seen.problem.as_ref();
    overview::View::new(&base, &seen.history, seen.status.as_ref(), problem, clock::now())
}

async fn overview(State(console): State<Console>) -> Response {
    let view = view(&console);
    page(&overview::Overview { frame: console.frame(Section::Overview), view })
}

async fn overview_live(State(console): State<Console>) -> Response {
    let view = view(&console);
    page(&overview::OverviewLive { frame: console.frame(Section::Overview), view })
}

#[derive(Deserialize)]
struct Look {
    what: String,
}

/// A post, so that no address gets into the browser's history.
async fn look(State(console): State<Console>, Form(look): Form<Look>) -> Response {
    let base = console.access.base();
    match about::subject(&look.what) {
        Ok(Subject::Job(id)) => Redirect::to(&format!("{base}jobs/{id}")).into_response(),
        Ok(Subject::Enrollment(student, course)) => {
            let (student, course) = (encoded(student.as_str()), encoded(course.as_str()));
            let place = format!("{base}enrollment?student={student}&course={course}");
            Redirect::to(&place).into_response()
        }
        Ok(subject) => about(&console, Section::Jobs, subject).await,
        Err(why) => {
            let notice = Notice { title: "Nothing to look up", text: why.to_owned() };
            let seen = console.watched.seen();
            let frame = console.frame(Section::Jobs);
            let search = jobs::Search::default();
            let jobs = jobs::Jobs::new(frame, search, &seen.history, Some(Err(notice)));
            page_with(StatusCode::BAD_REQUEST, &jobs)
        }
    }
}

async fn about(console: &Console, section: Section, subject: Subject) -> Response {
    let asked = subject.clone();
    let read = console.call(move |calls| calls.about(asked)).await;
    page(&about::About::new(console.frame(section), &subject, read))
}

async fn job(State(console): State<Console>, Path(id): Path<String>) -> Response {
    match id.parse() {
        Ok(id) => about(&console, Section::Jobs, Subject::Job(id)).await,
        Err(_) => (StatusCode::BAD_REQUEST, "this is not the id of a job").into_response(),
    }
}

#[derive(Deserialize)]
struct OfEnrollment {
    student: String,
    course: String,
}

async fn enrollment(
    State(console): State<Console>,
    Query(OfEnrollment { student, course }): Query<OfEnrollment>,
) -> Response {
    match (student.parse(), course.parse()) {
        (Ok(student), Ok(course)) => {
            about(&console, Section::Enrollments, Subject::Enrollment(student, course)).await
        }
        _ => (StatusCode::BAD_REQUEST, "these are not the ids of a student and a course")
            .into_response(),
    }
}

async fn jobs_form(State(console): State<Console>) -> Response {
    let seen = console.watched.seen();
    let frame = console.frame(Section::Jobs);
    page(&jobs::Jobs::new(frame, jobs::Search::default(), &seen.history, None))
}

/// A post, so that no address gets into the browser's history.
async fn jobs_found(State(console): State<Console>, Form(search): Form<jobs::Search>) -> Response {
    let found = match search.query() {
        Ok(query) => {
            let searched = console
                .call(move |calls| jobs::search(&query, |filter, after| calls.jobs(filter, after)))
                .await;
            noted(searched)
        }
        Err(why) => Err(Notice { title: "Not searched", text: why.to_owned() }),
    };
    let seen = console.watched.seen();
    page(&jobs::Jobs::new(console.frame(Section::Jobs), search, &seen.history, Some(found)))
}

async fn all_letters(
    State(console): State<Console>,
    Query(filter): Query<letters::Filter>,
) -> Response {
    // All of them, because the form names every code.
    let all = Which::All.into();
    let read = console.call(move |calls| calls.letters(&all)).await;
    page(&letters::Letters::new(console.frame(Section::Letters), filter, noted(read)))
}

async fn letter(State(console): State<Console>, Path(id): Path<String>) -> Response {
    let asked = id.clone();
    let read = console.call(move |calls| calls.letter(&asked)).await;
    page(&letters::Letter::new(console.frame(Section::Letters), id, noted(read)))
}

async fn confirm(State(console): State<Console>, Query(asked): Query<letters::Asked>) -> Response {
    let (action, selection) = (asked.action.action(), asked.filter().selection());
    let preview = console.call(move |calls| calls.preview(action, &selection)).await;
    page(&letters::Confirm::new(console.frame(Section::Letters), asked, noted(preview)))
}

async fn apply(
    State(console): State<Console>,
    Form(confirmed): Form<letters::Confirmed>,
) -> Response {
    let (verb, count, selection) =
        (confirmed.action, confirmed.count, confirmed.filter().selection());
    let applied = console.call(move |calls| calls.apply(verb.action(), &selection, count)).await;
    console.watched.note_change();
    let frame = console.frame(Section::Letters);
    match noted(applied) {
        Ok(Applied::Done(handled)) => page(&letters::AppliedPage::done(frame, verb, handled)),
        Ok(Applied::Grown { now }) => {
            let notice = letters::grown(count, now);
            let refused = letters::AppliedPage::refused(frame, verb, notice);
            page_with(StatusCode::CONFLICT, &refused)
        }
        Err(notice) => page(&letters::AppliedPage::refused(frame, verb, notice)),
    }
}

async fn unfinished(
    State(console): State<Console>,
    Query(shown): Query<enrollments::Shown>,
) -> Response {
    let read = console.call(|calls| calls.unfinished()).await;
    let frame = console.frame(Section::Enrollments);
    page(&enrollments::Enrollments::new(frame, shown.show, noted(read), clock::now()))
}

async fn all_holds(State(console): State<Console>) -> Response {
    holds_after(&console, None).await
}

async fn hold(State(console): State<Console>, Form(form): Form<holds::Reason>) -> Response {
    let held = console.call(move |calls| calls.hold(&form.reason)).await;
    console.watched.note_change();
    holds_after(&console, Some(noted(held))).await
}

async fn release(State(console): State<Console>) -> Response {
    let released = console.call(|calls| calls.release()).await;
    console.watched.note_change();
    holds_after(&console, Some(noted(released))).await
}

async fn holds_after(console: &Console, said: Option<Result<String, Notice>>) -> Response {
    let sending = console.call(|calls| calls.sending()).await;
    page(&holds::Holds::new(console.frame(Section::Holds), said, noted(sending)))
}

#[derive(Deserialize)]
struct InLanguage {
    language: Option<String>,
}

/// In the language of the link, or in English.
async fn all_emails(State(console): State<Console>, Query(asked): Query<InLanguage>) -> Response {
    let language = asked.language.and_then(|tag| tag.parse().ok()).unwrap_or(Language::English);
    page(&emails::Emails::new(console.frame(Section::Emails), language))
}

async fn email(Path((language, name)): Path<(String, String)>) -> Response {
    let html = language.parse().ok().and_then(|language| emails::html(&name, language));
    html.unwrap_or_else(|| {
        (StatusCode::NOT_FOUND, "there is no template of that name with HTML").into_response()
    })
}

async fn css() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("assets/console.css"))
        .into_response()
}

async fn js() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/console.js"))
        .into_response()
}
