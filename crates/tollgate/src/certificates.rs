//! The certificates of TLS listeners: one from files, and those of `ssls` resources.

use std::path::PathBuf;
use std::sync::Arc;

use config::document::Fate;
use config::resource::{Ssl, SslType, Status};
use config::secret::is_environment_reference;
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

/// A certificate that cannot be used, and where it is written.
struct Unusable<'d> {
    document: &'d Document,
    key: &'d str,
    pointer: String,
    why: Why,
}

/// Why a certificate cannot be used.
struct Why {
    text: String,
    /// An environment variable is not set.
    is_unset: bool,
    /// Nobody was asked for it.
    is_open: bool,
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
        let (usable, unusable) = judged(document, environment);
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
        let rejected = unusable.into_iter();
        rejected.map(|one| one.rejected(Fate::LeftOut)).collect()
    }
}

/// The certificates of a document that cannot be used, without those that nobody was asked for.
pub(crate) fn faults(document: &Document, environment: &Environment) -> Vec<Rejected> {
    let (_, unusable) = judged(document, environment);
    let known = unusable.into_iter().filter(|one| !one.why.is_open);
    let told = known.map(|one| {
        let fate = if one.why.is_unset {
            Fate::Unset
        } else {
            Fate::LeftOut
        };
        one.rejected(fate)
    });
    told.collect()
}

/// The certificates of a document that can be used, each with its resource, and those that cannot.
fn judged<'d>(
    document: &'d Document,
    environment: &Environment,
) -> (Vec<(&'d Ssl, Certificate)>, Vec<Unusable<'d>>) {
    let mut usable = Vec::new();
    let mut unusable = Vec::new();
    for item in document.ssls.values() {
        for (pointer, made) in certificates(&item.value, environment) {
            match made {
                Ok(certificate) => usable.push((&item.value, certificate)),
                Err(why) => unusable.push(Unusable {
                    document,
                    key: &item.key,
                    pointer,
                    why,
                }),
            }
        }
    }
    (usable, unusable)
}

// === impl Unusable ===

impl Unusable<'_> {
    fn rejected(self, fate: Fate) -> Rejected {
        Rejected {
            key: self.key.to_owned(),
            place: self.document.place(self.key, &self.pointer),
            error: CheckError::rule(self.pointer, self.why.text, ""),
            fate,
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

/// The certificates of a resource: where each is written, and what became of it.
fn certificates(ssl: &Ssl, environment: &Environment) -> Vec<(String, Result<Certificate, Why>)> {
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
                    let made = made.map_err(|error| Why::fault(error.to_string()));
                    (format!("/cert{which}"), made)
                }
                Err((place, why)) => (place, Err(why)),
            }
        });
    made.collect()
}

/// A text, or what it refers to.
fn resolved(text: &str, environment: &Environment) -> Result<Secret, Why> {
    if !is_reference(text) {
        return Ok(Secret::new(text.to_owned()));
    }
    let value = environment.resolve(text).map(Secret::new);
    value.map_err(|why| Why {
        is_unset: is_environment_reference(text),
        is_open: environment.secrets().is_unasked(text),
        ..Why::fault(format!("no value for {text}: {why}"))
    })
}

// === impl Why ===

impl Why {
    fn fault(text: String) -> Self {
        Self {
            text,
            is_unset: false,
            is_open: false,
        }
    }
}
