//! The adapters of this function, as one value that has every capability the API needs.

use aws::{
    queue::EmailQueue,
    tables::{CoursesTable, EmailsTable, EnrollmentsTable},
};
use aws_config::SdkConfig;
use email::{
    Job, JobId,
    ledger::{Entry, Timeline},
};
use enrollment::{
    Course, CourseId, Enrollment, StudentId,
    ports::{
        EnqueueEmail, FindCourse, FindEnrollment, InsertEnrollment, Inserted, PutCourse,
        Unavailable,
    },
};

use crate::{Config, course_cache::CachedCourses};

/// Tables and queue, with the catalogue cached.
#[derive(Debug)]
pub struct World {
    courses: CachedCourses<CoursesTable>,
    enrollments: EnrollmentsTable,
    emails: EmailsTable,
    queue: EmailQueue,
}

impl World {
    /// Clients over one configuration, and so over one HTTP client.
    pub fn new(sdk: &SdkConfig, config: Config) -> Self {
        let dynamodb = aws::clients::dynamodb(sdk);
        Self {
            courses: CachedCourses::new(CoursesTable::new(dynamodb.clone(), config.courses_table)),
            enrollments: EnrollmentsTable::new(dynamodb.clone(), config.enrollments_table),
            emails: EmailsTable::new(dynamodb, config.emails_table),
            queue: EmailQueue::new(aws::clients::sqs(sdk), config.email_queue_url),
        }
    }
}

impl FindCourse for World {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.courses.find_course(id).await
    }
}

impl PutCourse for World {
    async fn put_course(&self, course: &Course) -> Result<bool, Unavailable> {
        self.courses.put_course(course).await
    }
}

impl FindEnrollment for World {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        self.enrollments.find_enrollment(student_id, course_id).await
    }
}

impl InsertEnrollment for World {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        self.enrollments.insert_enrollment(enrollment).await
    }
}

impl EnqueueEmail for World {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        self.queue.enqueue_email(job).await
    }
}

impl Timeline for World {
    type Error = Unavailable;

    async fn find(&self, job_id: &JobId) -> Result<Option<Entry>, Unavailable> {
        self.emails.find(job_id).await
    }
}
