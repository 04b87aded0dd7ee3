//! From a host name to addresses.

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use crate::error::NetError;

/// The addresses of a host, in the order in which they should be tried.
pub type Addresses = SmallVec<[SocketAddr; 2]>;

/// Where the addresses of names come from.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a host, with this port.
    ///
    /// # Errors
    ///
    /// As [`resolve`].
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = Result<Addresses, NetError>> + Send;
}

/// The resolver of the operating system, with its hosts file.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Resolve for System {
    async fn resolve(&self, host: &str, port: u16) -> Result<Addresses, NetError> {
        resolve(host, port).await
    }
}

/// Resolves a host name by the system's resolver; an address literal is taken as it is.
///
/// IPv6 literals may stand in brackets.
///
/// # Errors
///
/// [`NetError::Resolve`] when the name is unknown, has no address, or the resolver failed.
pub async fn resolve(host: &str, port: u16) -> Result<Addresses, NetError> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(SmallVec::from_iter([SocketAddr::new(ip, port)]));
    }
    let failed = |source| NetError::Resolve {
        host: host.into(),
        source,
    };
    let found: Addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(failed)?
        .collect();
    if found.is_empty() {
        return Err(failed(std::io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
