//! Journeys through the deployed stack. `make journeys` deploys one and runs them.

mod access;
mod alarms;
mod browser;
mod classes;
mod console;
mod contract;
mod courses;
mod email_jobs;
mod enrolling;
mod examples;
mod faults;
mod feedback;
mod holds;
mod inquiries;
mod limits;
mod lists;
mod operator;
mod outage;
mod payments;
mod payments_operator;
mod privacy;
mod refusals;
mod rosters;
mod student_page;
mod students;
mod uncertain_emails;
