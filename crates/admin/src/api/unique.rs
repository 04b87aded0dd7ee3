//! What may be there only once.

use config::Kind;
use config::source::Transaction;
use config::source::store::PREFIX;
use plugin::{Meta, Registry};
use serde_json::Value;

use super::check::Credentials;
use super::fields::plugins;
use super::refusal::Refusal;
use super::target::parse_key;

/// Refuses credentials by which another consumer is already found.
///
/// A reference to a secret is not looked up here, and so not compared.
pub(super) fn credentials(
    transaction: &Transaction<'_>,
    registry: &Registry,
    consumer: &str,
    credentials: &Credentials,
) -> Result<(), Refusal> {
    if credentials.is_empty() {
        return Ok(());
    }
    let others = transaction.list(&format!("{PREFIX}/{}/", Kind::Consumer.plural()))?;
    let others = others.iter().filter_map(|entry| {
        let (_, id) = parse_key(&entry.key)?;
        let owner = id.split('/').next().filter(|owner| *owner != consumer)?;
        Some((owner, &entry.value))
    });
    let others: Vec<_> = others.collect();
    let duplicate = credentials.iter().find_map(|(plugin, credential)| {
        let side = registry.find(plugin)?.consumer?;
        let holds = |value: &Value| {
            let config = value
                .get("plugins")
                .and_then(|plugins| plugins.get(*plugin));
            config.is_some_and(|config| {
                !Meta::is_disabled(config)
                    && (side.credential)(&Meta::strip(config)).as_ref() == Ok(credential)
            })
        };
        let (owner, _) = others.iter().find(|(_, value)| holds(value))?;
        Some(format!(
            "duplicate key of plugin {plugin} found with consumer: {owner}"
        ))
    });
    duplicate.map_or(Ok(()), |message| Err(Refusal::invalid(message)))
}

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
