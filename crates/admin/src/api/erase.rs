//! Deleting resources.

use config::Kind;
use config::source::Transaction;
use http::StatusCode;
use serde_json::json;

use super::check::Credentials;
use super::refusal::Refusal;
use super::target::{Target, key, parse_key};
use super::write::Desk;
use super::{Answered, read, refer};
use crate::call::Call;
use crate::reply::Reply;

impl Desk<'_> {
    /// Deletes a resource that no other one names.
    pub(super) fn delete(&self, target: &Target<'_>, call: &Call) -> Result<Answered, Refusal> {
        let row = target.row;
        let id = target.needed_id()?;
        let forced = call.query.get("force") == Some("true");
        let key = key(row.kind, &id);
        let revision = self.step(|transaction| {
            if let Some(consumer) = target.consumer
                && transaction
                    .get(&super::target::key(Kind::Consumer, consumer))?
                    .is_none()
            {
                return Err(read::no_consumer());
            }
            if transaction.get(&key)?.is_none() {
                return Err(Refusal::Missing);
            }
            if !forced {
                refer::not_in_use(transaction, row, &id)?;
            }
            transaction.delete(&key)?;
            if row.kind == Kind::Consumer {
                self.forget_credentials(transaction, &key)?;
            }
            let mut holders = self.holders();
            holders.note(transaction, row.kind, &id, Credentials::new());
            Ok(transaction.revision())
        })?;
        Ok(Answered {
            reply: Reply::json(StatusCode::OK, &json!({ "deleted": "1", "key": key })),
            written: Some(revision),
        })
    }
    /// Credentials go with their consumer.
    fn forget_credentials(
        &self,
        transaction: &mut Transaction<'_>,
        consumer: &str,
    ) -> Result<(), Refusal> {
        for entry in transaction.list(&format!("{consumer}/credentials/"))? {
            transaction.delete(&entry.key)?;
            if let Some((_, id)) = parse_key(&entry.key) {
                self.holders().forget(id);
            }
        }
        Ok(())
    }
}
