//! Everything that a function calls: the stand-ins, each behind a door.

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use storm::{
    World,
    http::Server,
    stand_in::{
        COURSES, ENROLLMENTS, EnrollmentServices, Function, LEDGER, Latency, Runtime, STRIPE_KEY,
    },
    weather::Weather,
};
use stripe::testing::Server as Stripe;

use crate::{Authority, Door, Traffic, authority::HOST};

/// The services of both paths.
#[derive(Debug)]
pub struct Dependencies {
    authority: Authority,
    /// Of the enrollment path.
    pub enrollments: Arc<EnrollmentServices>,
    /// Of the email path.
    pub world: Arc<World>,
    servers: Vec<Server>,
    stripe: Stripe,
    round_trip: Duration,
    doors: Doors,
    /// To services that a peer brings.
    further: Vec<Door>,
}

#[derive(Debug)]
struct Doors {
    dynamodb: Door,
    sqs: Door,
    secrets: Door,
    stripe: Door,
    ses: Door,
    emails: Door,
}

impl Doors {
    fn all(&self) -> [&Door; 6] {
        [&self.dynamodb, &self.sqs, &self.secrets, &self.stripe, &self.ses, &self.emails]
    }
}

impl Dependencies {
    /// Starts all of them. A round trip to any takes `round_trip` longer than on loopback.
    pub async fn start(authority: Authority, round_trip: Duration) -> Result<Self, Box<dyn Error>> {
        let none = Latency { dynamodb: Duration::ZERO, sqs: Duration::ZERO };
        let enrollments = EnrollmentServices::new(none);
        let server = enrollments.serve().await?;
        let world = World::new(Weather::calm(Duration::ZERO), Duration::from_mins(6));
        let email_server = serve(world.clone()).await?;
        let stripe = Stripe::start("127.0.0.1:0", STRIPE_KEY)?;
        let stripe_address = stripe.url().trim_start_matches("http://").parse()?;
        let open = |address| Door::open(&authority, address, round_trip);
        let doors = Doors {
            dynamodb: open(server.address()).await?,
            sqs: open(server.address()).await?,
            secrets: open(server.address()).await?,
            stripe: open(stripe_address).await?,
            ses: open(email_server.address()).await?,
            emails: open(email_server.address()).await?,
        };
        let servers = vec![server, email_server];
        Ok(Self {
            authority,
            enrollments,
            world,
            servers,
            stripe,
            round_trip,
            doors,
            further: Vec::new(),
        })
    }

    /// Opens a door to one more service, and returns its host and port.
    pub async fn open(&mut self, service: SocketAddr) -> io::Result<(&'static str, u16)> {
        let door = Door::open(&self.authority, service, self.round_trip).await?;
        let port = door.port();
        self.further.push(door);
        Ok((HOST, port))
    }

    /// What went through all doors so far.
    pub fn traffic(&self) -> Traffic {
        let doors = self.doors.all().into_iter().chain(&self.further);
        doors.map(Door::traffic).fold(Traffic::default(), |sum, door| sum + door)
    }

    /// The requests to Stripe so far.
    pub fn stripe_requests(&self) -> u64 {
        self.doors.stripe.traffic().requests
    }

    /// The variables of `enroll`, and of every peer.
    pub fn enroll_variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.common();
        variables.extend([
            ("AWS_ENDPOINT_URL_DYNAMODB", self.doors.dynamodb.url()),
            ("AWS_ENDPOINT_URL_SQS", self.doors.sqs.url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.doors.secrets.url()),
            ("COURSES_TABLE", COURSES.to_owned()),
            ("PRICE_CHANGES_TABLE", "price-changes".to_owned()),
            ("SEATS_TABLE", "seats".to_owned()),
            ("ENROLLMENTS_TABLE", ENROLLMENTS.to_owned()),
            ("EMAILS_TABLE", LEDGER.to_owned()),
            ("EMAIL_QUEUE_URL", format!("{}/000000000000/email-queue", self.doors.sqs.url())),
            ("STRIPE_SECRET_ARN", "stripe".to_owned()),
            ("STRIPE_API_URL", self.doors.stripe.url()),
            ("ENROLLMENT_RETENTION_DAYS", "0".to_owned()),
            ("ACCESS_AFTER_REFUND", "keep".to_owned()),
        ]);
        variables
    }

    /// The variables of `email-worker`. Its limit is high: each invocation waits one interval, here 0.7 ms, before it sends.
    pub fn worker_variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.common();
        let emails = self.doors.emails.url();
        variables.extend([
            ("AWS_ENDPOINT_URL_SESV2", self.doors.ses.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB", emails.clone()),
            ("AWS_ENDPOINT_URL_SQS", emails.clone()),
            ("AWS_ENDPOINT_URL_LAMBDA", emails.clone()),
            ("EMAILS_TABLE", LEDGER.to_owned()),
            ("HOLDS_TABLE", "holds".to_owned()),
            ("SUPPRESSIONS_TABLE", "suppressions".to_owned()),
            ("EMAIL_QUEUE_URL", format!("{emails}/000000000000/email-queue")),
            ("EMAIL_DEAD_LETTER_QUEUE_URL", format!("{emails}/000000000000/email-dead-letters")),
            ("SENDER_ADDRESS", "courses@example.com".to_owned()),
            ("SES_CONFIGURATION_SET", "registrar".to_owned()),
            ("DEFAULT_LANGUAGE", "en".to_owned()),
            ("SEND_LIMIT", "30000".to_owned()),
            ("SEND_WINDOW_SECONDS", "10".to_owned()),
            ("SEND_SLACK_MILLISECONDS", "250".to_owned()),
            ("WORKER_CONCURRENCY", "2".to_owned()),
            ("WORKER_BATCH_SIZE", "10".to_owned()),
            ("WORKER_TIMEOUT_SECONDS", "60".to_owned()),
        ]);
        variables
    }

    fn common(&self) -> Vec<(&'static str, String)> {
        let roots = self.authority.bundle().display().to_string();
        let mut variables = vec![
            // The trust of rustls and OpenSSL, of Node, and of boto3.
            ("SSL_CERT_FILE", roots.clone()),
            ("NODE_EXTRA_CA_CERTS", self.authority.root().display().to_string()),
            ("AWS_CA_BUNDLE", roots),
        ];
        let lambdas = [
            ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            // The SDK for JavaScript warns of Node's next end of support on every start.
            ("NODE_NO_WARNINGS", "1"),
            ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "example"),
        ];
        variables.extend(lambdas.map(|(name, value)| (name, value.to_owned())));
        variables
    }

    /// Stops the servers.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
        drop(self.stripe);
    }
}

/// The services of the email path on an address of their own.
async fn serve(world: Arc<World>) -> io::Result<Server> {
    let function =
        Function { batch_size: 1, timeout: Duration::from_mins(1), idle: Duration::ZERO };
    let runtime = Arc::new(Runtime::new(0, function));
    Server::start(move |request| {
        let (world, runtime) = (world.clone(), runtime.clone());
        async move { world.respond(&runtime, request).await }
    })
    .await
}
