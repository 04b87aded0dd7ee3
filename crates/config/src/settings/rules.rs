//! What spans several settings.

use std::net::IpAddr;

use super::{Admin, DataEncryption, Proxy, Settings};
use crate::fault::CheckError;
use crate::keyring::{KeyLength, Keyring};

/// The shortest key that may guard an Admin API which other machines can reach.
const SHORTEST_KEY: usize = 16;

// === impl Settings ===

impl Settings {
    /// Everything that does not fit together.
    pub(super) fn rules(&self) -> Vec<CheckError> {
        let mut faults = Vec::new();
        faults.extend(self.admin.exposed());
        faults.extend(self.proxy.networks());
        faults.extend(self.source());
        faults.extend(self.data_encryption.fault());
        if self.proxy.listen.is_empty() {
            let expected = "at least one listener";
            faults.push(CheckError::rule("/proxy/listen", expected, expected));
        }
        faults
    }

    fn source(&self) -> Option<CheckError> {
        self.etcd.as_ref()?;
        Some(CheckError::rule(
            "/etcd",
            "etcd is not available",
            "`data_dir` for the embedded store or `resources` for a standalone file, because this \
             build cannot read resources from etcd",
        ))
    }
}

// === impl DataEncryption ===

impl DataEncryption {
    /// The keys that are in use; none when encryption is off.
    ///
    /// # Errors
    ///
    /// [`KeyLength`] for a key of the wrong length, which settings that were checked do not have.
    pub fn keys(&self) -> Result<Keyring, KeyLength> {
        if !self.enabled {
            return Ok(Keyring::default());
        }
        Keyring::new(&self.keyring)
    }

    fn fault(&self) -> Option<CheckError> {
        let KeyLength { index, length } = Keyring::new(&self.keyring).err()?;
        let expected = "a key of 16 or 32 bytes";
        let pointer = format!("/data_encryption/keyring/{index}");
        let mut error = CheckError::rule(&pointer, expected, expected);
        error.found = Some(format!("one of {length}"));
        Some(error)
    }
}

// === impl Admin ===

impl Admin {
    /// Every key with its role: `key` first, which may do everything.
    pub fn all_keys(&self) -> impl Iterator<Item = (&crate::secret::Secret, super::AdminRole)> {
        let single = self.key.iter().map(|key| (key, super::AdminRole::Admin));
        single.chain(self.keys.iter().map(|key| (&key.key, key.role)))
    }

    /// An Admin API that other machines can reach needs a key that cannot be guessed.
    fn exposed(&self) -> Option<CheckError> {
        if !self.enabled || self.listen.is_loopback() {
            return None;
        }
        let address = self.listen;
        let because = format!("because the Admin API listens on {address}");
        if !self.key_required {
            let expected = format!("true, {because}");
            let error = CheckError::rule("/admin/key_required", expected.clone(), expected);
            return Some(error.found(&false.into()));
        }
        let expected = format!("a key of at least {SHORTEST_KEY} characters, {because}");
        let mut error = CheckError::rule("/admin/key", expected.clone(), expected);
        let lengths = self.all_keys().map(|(key, _)| key.expose().chars().count());
        match lengths.min() {
            None => Some(error),
            Some(shortest) if shortest >= SHORTEST_KEY => None,
            Some(shortest) => {
                error.found = Some(format!("one of {shortest}"));
                if self.key.is_none() {
                    "/admin/keys".clone_into(&mut error.pointer);
                }
                Some(error)
            }
        }
    }
}

// === impl Proxy ===

impl Proxy {
    fn networks(&self) -> Vec<CheckError> {
        let wrong = |(_, text): &(usize, &String)| {
            text.parse::<ipnet::IpNet>().is_err() && text.parse::<IpAddr>().is_err()
        };
        let fault = |(index, text): (usize, &String)| {
            let expected = "an address or a network such as 10.0.0.0/8";
            let pointer = format!("/proxy/trusted_addresses/{index}");
            CheckError::rule(pointer, expected, expected).found(&text.as_str().into())
        };
        let addresses = self.trusted_addresses.iter().enumerate();
        addresses.filter(wrong).map(fault).collect()
    }
}
