//! The certificates of TLS listeners: one from files, and those of `ssls` resources.

use std::path::PathBuf;
use std::sync::Arc;

use config::document::Fate;
use config::resource::{Ssl, SslType, Status};
use config::{CheckError, Document, Rejected, Secret};
use net::tls::{Certificate, CertificateTable, Pem, SniResolver, TlsError};
use plugin::{Environment, is_reference};

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

    /// Takes the certificates of a configuration. One that cannot be used is left out, and told in
    /// what is returned.
    pub(crate) fn take(&self, document: &Document, environment: &Environment) -> Vec<Rejected> {
        if self.listeners.is_empty() {
            return Vec::new();
        }
        let mut rejected = Vec::new();
        let mut usable = Vec::new();
        for item in document.ssls.values() {
            for (place, made) in certificates(&item.value, environment) {
                match made {
                    Ok(certificate) => usable.push((&item.value, certificate)),
                    Err(why) => rejected.push(Rejected {
                        key: item.key.to_string(),
                        place: document.place(&item.key, &place),
                        error: CheckError::rule(place, why, ""),
                        fate: Fate::LeftOut,
                    }),
                }
            }
        }
        for listener in &self.listeners {
            let mut table = CertificateTable::default();
            if let Err(error) = add_files(&mut table, listener.files.as_ref()) {
                tracing::error!(%error, "the listener's certificate stays as it is");
                continue;
            }
            for (ssl, certificate) in &usable {
                for name in ssl.server_names() {
                    table.add(name, certificate.clone());
                }
            }
            listener.resolver.swap(table);
        }
        rejected
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

/// The certificates of a resource: where each is written, and what became of it.
fn certificates(
    ssl: &Ssl,
    environment: &Environment,
) -> Vec<(String, Result<Certificate, String>)> {
    if ssl.r#type != SslType::Server || ssl.status != Status::Enabled {
        return Vec::new();
    }
    let first = ssl.cert.as_deref().zip(ssl.key.as_ref());
    let first = first.map(|pair| (String::new(), pair));
    let chains = ssl.certs.iter().flatten().map(String::as_str);
    let further = chains.zip(ssl.keys.iter().flatten()).enumerate();
    let further = further.map(|(index, pair)| (format!("s/{index}"), pair));
    let made = first
        .into_iter()
        .chain(further)
        .map(|(which, (chain, key))| {
            let read = |member: &str, text| {
                let place = format!("/{member}{which}");
                resolved(text, environment).map_err(|why| (place, why))
            };
            let pair =
                read("cert", chain).and_then(|chain| Ok((chain, read("key", key.expose())?)));
            match pair {
                Ok((chain, key)) => {
                    let made =
                        Certificate::load(&Pem::text(chain.expose()), &Pem::text(key.expose()));
                    // Without its cause: that may repeat a line of the key.
                    let made = made.map_err(|error| error.to_string());
                    (format!("/cert{which}"), made)
                }
                Err((place, why)) => (place, Err(why)),
            }
        });
    made.collect()
}

/// A text, or what it refers to.
fn resolved(text: &str, environment: &Environment) -> Result<Secret, String> {
    if !is_reference(text) {
        return Ok(Secret::new(text.to_owned()));
    }
    let value = environment.resolve(text).map(Secret::new);
    value.map_err(|why| format!("no value for {text}: {why}"))
}
