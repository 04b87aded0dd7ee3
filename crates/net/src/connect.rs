//! From an origin to an open HTTP/1.1 connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{
    client::{Contact, Live},
    dns::{self, Addresses},
    error::{NetError, Phase},
    origin::Origin,
    socket::{Socket, Stream, Traffic},
};

/// hyper refuses a smaller buffer.
const LEAST_BUFFER: usize = 8 * 1024;
/// Room for reading large bodies in few reads; heads have a bound of their own.
const READ_BUFFER: usize = 128 * 1024;

/// Opens a connection, with `limit` for TCP and `limit` again for TLS; `tell` hears of each address.
pub(crate) async fn open(
    origin: &Origin,
    limit: Duration,
    tell: &mut (impl FnMut(Contact) + Send),
) -> Result<Box<Live>, NetError> {
    let (tcp, peer) = dial(origin, limit, tell).await?;
    let origin = &*origin.shared;
    let stream = match &origin.tls {
        None => Stream::Plain(tcp),
        Some((tls, name)) => {
            let connector = TlsConnector::from(tls.config());
            let handshake = connector.connect(name.clone(), tcp);
            let shaken = timeout(limit, handshake)
                .await
                .map_err(NetError::elapsed(Phase::Tls))?;
            Stream::Tls(Box::new(shaken.map_err(NetError::Tls)?))
        }
    };
    let traffic = Arc::new(Traffic::default());
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&traffic)));
    let (sender, connection) = http1::Builder::new()
        .max_header_size(origin.max_head)
        .max_headers(origin.max_headers)
        .max_buf_size(READ_BUFFER.max(origin.max_head).max(LEAST_BUFFER))
        .handshake(socket)
        .await
        .map_err(|source| NetError::from_hyper(source, Phase::Connect))?;
    Ok(Box::new(Live::new(sender, connection, traffic, peer)))
}

/// Tries the addresses in turn, each with an equal share of the time that is left.
async fn dial(
    origin: &Origin,
    limit: Duration,
    tell: &mut (impl FnMut(Contact) + Send),
) -> Result<(TcpStream, SocketAddr), NetError> {
    let start = Instant::now();
    let (host, port) = (&origin.shared.host, origin.shared.port);
    let addresses: Addresses = match &origin.peers {
        Some(peers) => peers
            .in_order()
            .map(|peer| SocketAddr::new(peer.ip, port))
            .collect(),
        None => timeout(limit, dns::resolve(host, port))
            .await
            .map_err(NetError::elapsed(Phase::Resolve))??,
    };
    let mut failure = NetError::Timeout {
        phase: Phase::Connect,
    };
    for (index, address) in addresses.iter().enumerate() {
        let left = limit.saturating_sub(start.elapsed());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        tell(Contact::Dialling(*address));
        match timeout(share, connect(*address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(source)) => failure = NetError::Connect(source),
            Err(_) => {
                failure = NetError::Timeout {
                    phase: Phase::Connect,
                }
            }
        }
    }
    Err(failure)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
