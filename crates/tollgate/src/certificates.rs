//! The certificates of TLS listeners: one from files, and those of `ssls` resources.

use std::path::PathBuf;
use std::sync::Arc;

use config::Document;
use config::resource::{Ssl, SslType, Status};
use net::tls::{Certificate, CertificateTable, Pem, SniResolver, TlsError};

/// What TLS listeners show, kept up to date with the configuration.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    listeners: Vec<Listener>,
}

/// One TLS listener's certificates.
#[derive(Debug)]
struct Listener {
    resolver: Arc<SniResolver>,
    /// Chain and key for clients for which there is no other.
    files: Option<(PathBuf, PathBuf)>,
}

// === impl Certificates ===

impl Certificates {
    /// Adds a listener and gives what chooses its certificates.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub(crate) fn listener(
        &mut self,
        files: Option<(PathBuf, PathBuf)>,
    ) -> Result<Arc<SniResolver>, TlsError> {
        let mut table = CertificateTable::default();
        add_files(&mut table, files.as_ref())?;
        let resolver = Arc::new(SniResolver::new(table));
        self.listeners.push(Listener {
            resolver: Arc::clone(&resolver),
            files,
        });
        Ok(resolver)
    }

    /// Takes the certificates of a configuration; one that cannot be used is told and left out.
    pub(crate) fn take(&self, document: &Document) {
        for listener in &self.listeners {
            let mut table = CertificateTable::default();
            if let Err(error) = add_files(&mut table, listener.files.as_ref()) {
                tracing::error!(%error, "the listener's certificate stays as it is");
                continue;
            }
            for item in document.ssls.values() {
                add_resource(&mut table, &item.key, &item.value);
            }
            listener.resolver.swap(table);
        }
    }
}

fn add_files(
    table: &mut CertificateTable,
    files: Option<&(PathBuf, PathBuf)>,
) -> Result<(), TlsError> {
    if let Some((chain, key)) = files {
        table.add("*", Certificate::load(&Pem::file(chain), &Pem::file(key))?);
    }
    Ok(())
}

fn add_resource(table: &mut CertificateTable, resource: &str, ssl: &Ssl) {
    if ssl.r#type != SslType::Server || ssl.status != Status::Enabled {
        return;
    }
    let names = ssl.sni.iter().chain(ssl.snis.iter().flatten());
    for name in names {
        for (chain, key) in pairs(ssl) {
            match Certificate::load(&Pem::text(chain), &Pem::text(key)) {
                Ok(certificate) => table.add(name, certificate),
                Err(error) => tracing::error!(resource, name, %error, "certificate left out"),
            }
        }
    }
}

fn pairs(ssl: &Ssl) -> impl Iterator<Item = (&str, &str)> {
    let first = ssl
        .cert
        .as_deref()
        .zip(ssl.key.as_ref().map(config::Secret::expose));
    let chains = ssl.certs.iter().flatten().map(String::as_str);
    let keys = ssl.keys.iter().flatten().map(config::Secret::expose);
    first.into_iter().chain(chains.zip(keys))
}
