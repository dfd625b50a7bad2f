//! Everything that a deployed stack still has about a student.

use sha2::{Digest, Sha256};

use crate::{DeployedStack, Student};

const TABLES: [&str; 7] = [
    "CoursesTableName",
    "SeatsTableName",
    "PriceChangesTableName",
    "EnrollmentsTableName",
    "EmailsTableName",
    "SuppressionsTableName",
    "HoldsTableName",
];

const QUEUES: [&str; 5] = [
    "EmailQueueUrl",
    "EmailDeadLetterQueueUrl",
    "EmailFeedbackQueueUrl",
    "EmailFeedbackDeadLetterQueueUrl",
    "EmailFeedbackRuleDeadLetterQueueUrl",
];

impl DeployedStack {
    /// Where the student's id, address, name or the digest of the address is: in which table or queue, and what.
    pub async fn traces_of(&self, student: &Student) -> Vec<String> {
        let digest = hex::encode(Sha256::digest(student.email.to_ascii_lowercase()));
        let marks = [&student.id, &student.email, &student.name, &digest];
        let mut traces = Vec::new();
        for table in TABLES {
            let scan = self.dynamodb.scan().table_name(self.output(table)).consistent_read(true);
            let mut items = scan.into_paginator().items().send();
            while let Some(item) = items.next().await {
                let item = format!("{:?}", item.expect("the table can be read"));
                let found = marks.iter().filter(|mark| item.contains(mark.as_str()));
                traces.extend(found.map(|mark| format!("{mark} in {table}")));
            }
        }
        for queue in QUEUES {
            for mark in marks {
                let messages = self.emulator.messages(self.output(queue), mark).await;
                traces.extend(messages.iter().map(|_| format!("{mark} in {queue}")));
            }
        }
        traces
    }
}
