//! What this process shows to its clients: certificates by server name, exchanged while it runs.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{Pem, TlsError, provider};

/// A certificate chain with its private key.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
}

/// Certificates by the names they are shown for.
///
/// An exact name goes before a wildcard; `*.example.com` covers one label only; `*` covers
/// everything, also clients that name nothing. Several certificates of one name may differ in
/// their key type: a client gets the first that it can check.
#[derive(Default)]
pub struct CertificateTable {
    exact: HashMap<Box<str>, Vec<Certificate>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Vec<Certificate>>,
    everything: Vec<Certificate>,
}

/// Chooses the certificate for each handshake from a table that can be exchanged at any time.
///
/// Without a match the handshake is aborted.
pub struct SniResolver {
    table: ArcSwap<CertificateTable>,
}

// === impl Certificate ===

impl Certificate {
    /// Loads a chain (leaf first) and its key.
    ///
    /// # Errors
    ///
    /// When either cannot be read, or the key is not the certificate's.
    pub fn load(chain: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let key = CertifiedKey::from_der(chain.certificates()?, key.private_key()?, &provider())?;
        Ok(Self { key: Arc::new(key) })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

// === impl CertificateTable ===

impl CertificateTable {
    /// One certificate for all clients.
    pub fn single(certificate: Certificate) -> Self {
        Self {
            everything: vec![certificate],
            ..Self::default()
        }
    }

    /// Shows a certificate to clients that ask for `name`: exact, `*.suffix` or `*`.
    pub fn add(&mut self, name: &str, certificate: Certificate) {
        let name = name.to_ascii_lowercase();
        let place = if name == "*" {
            &mut self.everything
        } else if let Some(suffix) = name.strip_prefix("*.") {
            self.wildcard.entry(suffix.into()).or_default()
        } else {
            self.exact.entry(name.into()).or_default()
        };
        place.push(certificate);
    }

    /// Tells whether no certificate was added.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty() && self.everything.is_empty()
    }

    /// The certificates for a name in lower case; `None` stands for a client that names nothing.
    fn matching(&self, name: Option<&str>) -> &[Certificate] {
        let named = name.and_then(|name| {
            self.exact.get(name).or_else(|| {
                let (label, suffix) = name.split_once('.')?;
                self.wildcard.get(suffix).filter(|_| !label.is_empty())
            })
        });
        named.map_or(self.everything.as_slice(), Vec::as_slice)
    }
}

impl fmt::Debug for CertificateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateTable")
            .field("exact", &self.exact.keys())
            .field("wildcard", &self.wildcard.keys())
            .field("everything", &self.everything.len())
            .finish()
    }
}

// === impl SniResolver ===

impl SniResolver {
    /// Starts with a table.
    pub fn new(table: CertificateTable) -> Self {
        Self {
            table: ArcSwap::from_pointee(table),
        }
    }

    /// Puts another table in force for the handshakes that follow.
    pub fn swap(&self, table: CertificateTable) {
        self.table.store(Arc::new(table));
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands the name out in lower case.
        let table = self.table.load();
        let candidates = table.matching(hello.server_name());
        let schemes = hello.signature_schemes();
        candidates
            .iter()
            .find(|one| one.key.key.choose_scheme(schemes).is_some())
            .map(|one| Arc::clone(&one.key))
    }
}

impl fmt::Debug for SniResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SniResolver")
            .field(&**self.table.load())
            .finish()
    }
}

/// The server side of TLS, offering `h2` (when wanted) and `http/1.1`.
///
/// # Errors
///
/// When the TLS library has no protocol version in common with its cryptography.
pub fn server_config(
    resolver: Arc<SniResolver>,
    http2: bool,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    if http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
