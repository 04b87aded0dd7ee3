//! PEM text and PEM files.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};

use super::TlsError;

/// A piece of PEM: text at hand, or a file to read.
#[derive(Clone)]
pub enum Pem {
    /// The text itself.
    Text(Box<[u8]>),
    /// A file, read when it is needed.
    File(PathBuf),
}

impl Pem {
    /// Takes text.
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// Names a file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::File(path.as_ref().to_path_buf())
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        const EXPECTED: &str = "a certificate";
        let bytes = self.read()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match found {
            Ok(certificates) if certificates.is_empty() => Err(self.fault(EXPECTED, None)),
            Ok(certificates) => Ok(certificates),
            Err(source) => Err(self.fault(EXPECTED, Some(source))),
        }
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let bytes = self.read()?;
        PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|source| self.fault("a private key", Some(source)))
    }

    fn read(&self) -> Result<Box<[u8]>, TlsError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => {
                std::fs::read(path)
                    .map(Into::into)
                    .map_err(|source| TlsError::File {
                        path: path.clone(),
                        source,
                    })
            }
        }
    }

    fn fault(&self, expected: &'static str, source: Option<pem::Error>) -> TlsError {
        let place = match self {
            Self::Text(_) => "inline text".into(),
            Self::File(path) => path.display().to_string().into(),
        };
        TlsError::Pem {
            place,
            expected,
            source,
        }
    }
}

/// The text may be a private key: only its place is shown.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(***)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}
