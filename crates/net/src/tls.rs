//! TLS on both sides: what upstreams must show, and what this process shows to clients.
//!
//! The cryptography is aws-lc-rs, named at each place; the process-wide default is never relied on.

mod client;
mod pem;
mod server;

use std::{io, path::PathBuf, sync::Arc};

use rustls::crypto::CryptoProvider;

pub use client::{ClientTls, Trust};
pub use pem::Pem;
pub use server::{Certificate, CertificateTable, SniResolver, server_config};

/// A certificate, key or name that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The text is not PEM, or holds nothing of the kind that was looked for.
    #[error("{place}: expected {expected} in PEM form")]
    Pem {
        /// The file, or what the text is for.
        place: Box<str>,
        /// What was looked for.
        expected: &'static str,
        /// What the parser said, when there was something to parse.
        source: Option<rustls_pki_types::pem::Error>,
    },
    /// A name that no certificate can bear.
    #[error("{0:?} is not a host name or an IP address")]
    ServerName(Box<str>),
    /// The TLS library refused the material.
    #[error("unusable certificate or key")]
    Refused(#[from] rustls::Error),
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
