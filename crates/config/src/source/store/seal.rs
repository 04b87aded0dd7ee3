//! Which texts of a resource are encrypted while they lie in the store.

use std::collections::BTreeMap;

use serde_json::Value;

use super::PREFIX;
use crate::Keyring;
use crate::keyring::CipherFault;
use crate::resource::Kind;
use crate::secret::is_reference;

/// What a private key in PEM begins with.
const PEM_START: &str = "---";

/// Which texts of a resource are encrypted while they lie in the store, and by which keys.
///
/// Those are the secret fields of plugins, and the private keys of certificates and of upstreams. A
/// reference to a secret is none. Without a key all texts stay as they are.
#[derive(Clone, Debug, Default)]
pub struct Seal {
    keyring: Keyring,
    fields: BTreeMap<String, Vec<Vec<String>>>,
}

/// What is done with one text.
type Change<'c> = &'c mut dyn FnMut(&mut String) -> Result<(), CipherFault>;

// === impl Seal ===

impl Seal {
    /// A seal by `keyring` over the secret fields of plugins: name, and paths such as `auth.header`.
    pub fn new<'f>(
        keyring: Keyring,
        plugins: impl IntoIterator<Item = (&'f str, &'f [&'f str])>,
    ) -> Self {
        let segments = |path: &&str| path.split('.').map(str::to_owned).collect();
        let fields = plugins.into_iter();
        let fields = fields.map(|(name, paths)| {
            let paths = paths.iter().map(segments).collect();
            (name.to_owned(), paths)
        });
        Self {
            fields: fields.collect(),
            keyring,
        }
    }

    /// Encrypts what is secret in the resource of `key`.
    pub(super) fn close(&self, key: &str, value: &mut Value) -> Result<(), CipherFault> {
        let encrypt = |text: &mut String| {
            *text = self.keyring.encrypt(text)?;
            Ok(())
        };
        self.each(
            key,
            value,
            &mut |text| {
                if is_reference(text) {
                    Ok(())
                } else {
                    encrypt(text)
                }
            },
            &mut |text| {
                if text.starts_with(PEM_START) {
                    encrypt(text)
                } else {
                    Ok(())
                }
            },
        )
    }

    /// Decrypts what [`Seal::close`] encrypted, by whichever key; a text that no key decrypts stays.
    pub(super) fn open(&self, key: &str, value: &mut Value) {
        let decrypt = |text: &mut String| {
            if let Some(plain) = self.keyring.decrypt(text) {
                *text = plain;
            } else if Keyring::resembles_encrypted(text) {
                tracing::info!(
                    key,
                    "no key of the keyring decrypts a secret field, it is used as it is"
                );
            }
            Ok(())
        };
        // Decrypting has no fault: what cannot be decrypted was not encrypted.
        self.each(key, value, &mut { decrypt }, &mut { decrypt })
            .ok();
    }

    fn each(
        &self,
        key: &str,
        value: &mut Value,
        change: Change<'_>,
        change_private_key: Change<'_>,
    ) -> Result<(), CipherFault> {
        let path = key.strip_prefix(PREFIX).unwrap_or_default();
        let kind = Kind::parse_path(path.trim_start_matches('/'));
        let (Some((kind, _)), false) = (kind, self.keyring.is_empty()) else {
            return Ok(());
        };
        for (name, config) in members(value.get_mut("plugins")) {
            for path in self.fields.get(name).into_iter().flatten() {
                leaves(config, path, change)?;
            }
        }
        let private_keys: &[&[&str]] = match kind {
            Kind::Ssl => &[&["key"], &["keys"]],
            Kind::Upstream => &[&["tls", "client_key"]],
            Kind::Route | Kind::Service => &[&["upstream", "tls", "client_key"]],
            _ => &[],
        };
        for path in private_keys {
            leaves(value, path, change_private_key)?;
        }
        Ok(())
    }
}

fn members(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    let members = value.and_then(Value::as_object_mut);
    members.into_iter().flatten()
}

/// Changes the texts at a path, which leads through lists; at its end a text, or a list or an object
/// of texts.
fn leaves<S: AsRef<str>>(
    value: &mut Value,
    path: &[S],
    change: Change<'_>,
) -> Result<(), CipherFault> {
    match (value, path) {
        (Value::Array(items), _) => items
            .iter_mut()
            .try_for_each(|item| leaves(item, path, change)),
        (Value::String(text), []) => change(text),
        (Value::Object(members), []) => members.values_mut().try_for_each(|member| match member {
            Value::String(text) => change(text),
            _ => Ok(()),
        }),
        (Value::Object(members), [first, rest @ ..]) => match members.get_mut(first.as_ref()) {
            Some(member) => leaves(member, rest, change),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
