//! Journeys through the deployed stack. `make journeys` deploys one and runs them.

mod access;
mod alarms;
mod announcements;
mod browser;
mod console;
mod courses;
mod email_jobs;
mod enrolling;
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
mod refusals;
mod rosters;
mod uncertain_emails;
