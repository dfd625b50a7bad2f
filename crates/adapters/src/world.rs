//! The adapters that `enroll` and `resumer` work with, as one value that has every capability their
//! rules need.

use aws_config::SdkConfig;
use email::ledger::KnowsEmail;
use email::queue::EnqueueEmail;
use email::{
    Job, JobId,
    ledger::{Entry, Timeline},
};
use enrollment::{
    Course, CourseId, Enrollment, StudentId,
    ports::{
        FindCourse, FindEnrollment, InsertEnrollment, Inserted, Payments, PutCourse,
        SaveEnrollment, Saved,
    },
};
use lambda::{Environment, env::InvalidVariable};
use stripe::{Secrets, SecretsSource, Stripe};
use unavailable::Unavailable;

use crate::{
    clients,
    queue::EmailQueue,
    stripe_secret::StripeSecret,
    tables::{CoursesTable, EmailsTable, EnrollmentsTable},
};

/// Names and addresses of what a [`World`] is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldConfig {
    /// `COURSES_TABLE`: the catalogue.
    pub courses_table: String,
    /// `ENROLLMENTS_TABLE`: the enrollments.
    pub enrollments_table: String,
    /// `EMAILS_TABLE`: the delivery ledger, which is only read.
    pub emails_table: String,
    /// `EMAIL_QUEUE_URL`: where email jobs go.
    pub email_queue_url: String,
    /// `STRIPE_SECRET_ARN`: the secret with Stripe's keys; without it nothing can be charged.
    pub stripe_secret_arn: Option<String>,
    /// `STRIPE_API_URL`: where Stripe is, if not at its own address.
    pub stripe_api_url: Option<String>,
}

impl WorldConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            courses_table: environment.required("COURSES_TABLE")?,
            enrollments_table: environment.required("ENROLLMENTS_TABLE")?,
            emails_table: environment.required("EMAILS_TABLE")?,
            email_queue_url: environment.required("EMAIL_QUEUE_URL")?,
            stripe_secret_arn: environment.optional("STRIPE_SECRET_ARN")?,
            stripe_api_url: environment.optional("STRIPE_API_URL")?,
        })
    }
}

/// Tables, queue and payment provider. The catalogue's type is the function's choice.
#[derive(Debug)]
pub struct World<C> {
    courses: C,
    enrollments: EnrollmentsTable,
    emails: EmailsTable,
    queue: EmailQueue,
    payments: Option<Stripe<StripeSecret>>,
}

impl<C> World<C> {
    /// Clients over one configuration, and so over one HTTP client.
    pub fn new(
        sdk: &SdkConfig,
        config: WorldConfig,
        catalogue: impl FnOnce(CoursesTable) -> C,
    ) -> Self {
        let dynamodb = clients::dynamodb(sdk);
        let payments = config.stripe_secret_arn.map(|arn| {
            let url = config.stripe_api_url.unwrap_or_else(|| stripe::client::API_URL.to_owned());
            Stripe::new(url, StripeSecret::new(clients::secrets_manager(sdk), arn))
        });
        Self {
            courses: catalogue(CoursesTable::new(dynamodb.clone(), config.courses_table)),
            enrollments: EnrollmentsTable::new(dynamodb.clone(), config.enrollments_table),
            emails: EmailsTable::new(dynamodb, config.emails_table),
            queue: EmailQueue::new(clients::sqs(sdk), config.email_queue_url),
            payments,
        }
    }

    /// The enrollments' table.
    pub fn enrollments(&self) -> &EnrollmentsTable {
        &self.enrollments
    }

    /// The keys to Stripe; `None` where payments are not configured.
    pub async fn stripe_secrets(&self) -> Result<Option<&Secrets>, Unavailable> {
        match &self.payments {
            Some(stripe) => stripe.secrets().secrets().await.map(Some),
            None => Ok(None),
        }
    }
}

impl<C: FindCourse + Sync> FindCourse for World<C> {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.courses.find_course(id).await
    }
}

impl<C: PutCourse + Sync> PutCourse for World<C> {
    async fn put_course(&self, course: &Course) -> Result<bool, Unavailable> {
        self.courses.put_course(course).await
    }
}

impl<C: Sync> FindEnrollment for World<C> {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        self.enrollments.find_enrollment(student_id, course_id).await
    }
}

impl<C: Sync> InsertEnrollment for World<C> {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        self.enrollments.insert_enrollment(enrollment).await
    }
}

impl<C: Sync> SaveEnrollment for World<C> {
    async fn save_enrollment(&self, enrollment: &Enrollment) -> Result<Saved, Unavailable> {
        self.enrollments.save_enrollment(enrollment).await
    }
}

impl<C: Sync> Payments for World<C> {
    type Provider = Stripe<StripeSecret>;

    fn payments(&self) -> Option<&Self::Provider> {
        self.payments.as_ref()
    }
}

impl<C: Sync> EnqueueEmail for World<C> {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        self.queue.enqueue_email(job).await
    }
}

impl<C: Sync> KnowsEmail for World<C> {
    async fn knows_email(&self, id: &JobId) -> Result<bool, Unavailable> {
        self.emails.knows_email(id).await
    }
}

impl<C: Sync> Timeline for World<C> {
    async fn find(&self, job_id: &JobId) -> Result<Option<Entry>, Unavailable> {
        self.emails.find(job_id).await
    }
}
