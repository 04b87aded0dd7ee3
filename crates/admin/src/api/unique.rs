//! What may be there only once.

use config::Kind;
use config::source::Transaction;
use config::source::store::PREFIX;
use serde_json::Value;

use super::fields::plugins;
use super::refusal::Refusal;
use super::target::parse_key;

/// Refuses a global rule with a plugin that another global rule has.
pub(super) fn rules(transaction: &Transaction<'_>, id: &str, value: &Value) -> Result<(), Refusal> {
    for rule in transaction.list(&format!("{PREFIX}/{}/", Kind::GlobalRule.plural()))? {
        let Some((_, other)) = parse_key(&rule.key).filter(|(_, other)| *other != id) else {
            continue;
        };
        let taken = |name: &str| plugins(&rule.value).any(|(taken, _)| taken == name);
        if let Some((name, _)) = plugins(value).find(|(name, _)| taken(name)) {
            let message =
                format!("plugin '{name}' already exists in global rule with id '{other}'");
            return Err(Refusal::invalid(message));
        }
    }
    Ok(())
}
