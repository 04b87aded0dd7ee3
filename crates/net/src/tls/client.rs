//! What an upstream must show before it is spoken to.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Pem, TlsError, provider};

/// The environment variable that names a file of further authorities.
const CERTIFICATES_FILE: &str = "SSL_CERT_FILE";

/// The authorities that may vouch for an upstream.
#[derive(Debug, Clone)]
pub struct Trust {
    roots: RootCertStore,
}

/// How TLS to upstreams is spoken. Cheap to clone; clones share their session tickets.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

/// Accepts whatever an upstream shows. Signatures are still checked, which proves nothing more
/// than that the other side holds the key it sent.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

// === impl Trust ===

impl Trust {
    /// The public authorities that browsers trust.
    pub fn webpki() -> Self {
        Self {
            roots: RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            },
        }
    }

    /// The public authorities, and those in the file that `SSL_CERT_FILE` names.
    ///
    /// # Errors
    ///
    /// When that file is missing or holds no certificate.
    pub fn from_environment() -> Result<Self, TlsError> {
        match std::env::var_os(CERTIFICATES_FILE) {
            Some(path) if !path.is_empty() => Self::webpki().with(&Pem::File(PathBuf::from(path))),
            _ => Ok(Self::webpki()),
        }
    }

    /// Trusts further authorities.
    ///
    /// # Errors
    ///
    /// When the PEM cannot be read or holds no certificate that can be an authority.
    pub fn with(mut self, pem: &Pem) -> Result<Self, TlsError> {
        for certificate in pem.certificates()? {
            self.roots.add(certificate)?;
        }
        Ok(self)
    }
}

// === impl ClientTls ===

impl ClientTls {
    /// Checks certificates against [`Trust::from_environment`], which is read once per process.
    ///
    /// # Errors
    ///
    /// When the file that `SSL_CERT_FILE` names cannot be used.
    pub fn verified() -> Result<Self, TlsError> {
        static DEFAULT: LazyLock<Option<ClientTls>> = LazyLock::new(|| {
            Trust::from_environment()
                .and_then(|trust| ClientTls::trusting(&trust))
                .ok()
        });
        match &*DEFAULT {
            Some(tls) => Ok(tls.clone()),
            // The error is not kept, it is made again.
            None => Trust::from_environment().and_then(|trust| Self::trusting(&trust)),
        }
    }

    /// Checks certificates against the authorities given.
    ///
    /// # Errors
    ///
    /// When the TLS library has no protocol version in common with its cryptography.
    pub fn trusting(trust: &Trust) -> Result<Self, TlsError> {
        Ok(Self::new(checking(Some(trust))?.with_no_client_auth()))
    }

    /// Checks nothing: anyone on the way can read and change the traffic.
    ///
    /// # Errors
    ///
    /// When the TLS library has no protocol version in common with its cryptography.
    pub fn unverified() -> Result<Self, TlsError> {
        static DEFAULT: LazyLock<Option<ClientTls>> =
            LazyLock::new(|| ClientTls::accepting_any().ok());
        DEFAULT.clone().map_or_else(Self::accepting_any, Ok)
    }

    /// Shows a certificate of its own to upstreams that ask for one.
    ///
    /// Without `trust` the upstream's certificate is not checked.
    ///
    /// # Errors
    ///
    /// When the certificate chain (leaf first) or its key cannot be read or used.
    pub fn presenting(trust: Option<&Trust>, chain: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let (chain, key) = (chain.certificates()?, key.private_key()?);
        Ok(Self::new(
            checking(trust)?.with_client_auth_cert(chain, key)?,
        ))
    }

    fn accepting_any() -> Result<Self, TlsError> {
        Ok(Self::new(checking(None)?.with_no_client_auth()))
    }

    fn new(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            config: Arc::new(config),
        }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// The first half of a configuration: how the other side is checked.
fn checking(
    trust: Option<&Trust>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    Ok(match trust {
        Some(trust) => builder.with_root_certificates(trust.roots.clone()),
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny { provider })),
    })
}

// === impl AcceptAny ===

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
