//! Reads entries.

use email::{
    JobId,
    ledger::{Entry, KnowsEmail, Timeline},
};
use unavailable::Unavailable;

use super::{
    super::item::{get, text},
    EmailsTable,
};

impl Timeline for EmailsTable {
    async fn find(&self, job_id: &JobId) -> Result<Option<Entry>, Unavailable> {
        const READ: &str = "reading an email's timeline";
        let item = self.client.get_item().table_name(&self.name).key("job_id", text(job_id));
        get(READ, item).await
    }
}

impl KnowsEmail for EmailsTable {
    async fn knows_email(&self, id: &JobId) -> Result<bool, Unavailable> {
        Ok(self.find(id).await?.is_some())
    }
}
