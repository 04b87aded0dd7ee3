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

/// A TCP connection that was just opened.
struct Dialled {
    stream: TcpStream,
    peer: SocketAddr,
    /// How long its handshake took.
    round_trip: Duration,
}

/// Opens a connection, with `limit` for TCP and `limit` again for TLS; `tell` hears of each address.
pub(crate) async fn open(
    origin: &Origin,
    limit: Duration,
    tell: &mut (impl FnMut(Contact) + Send),
) -> Result<Box<Live>, NetError> {
    let Dialled {
        stream: tcp,
        peer,
        round_trip,
    } = dial(origin, limit, tell).await?;
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
    let live = Live::new(sender, connection, traffic, peer, round_trip);
    Ok(Box::new(live))
}

/// Tries the addresses in turn, each with an equal share of the time that is left.
async fn dial(
    origin: &Origin,
    limit: Duration,
    tell: &mut (impl FnMut(Contact) + Send),
) -> Result<Dialled, NetError> {
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
            Ok(Ok(dialled)) => return Ok(dialled),
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

async fn connect(peer: SocketAddr) -> io::Result<Dialled> {
    let start = Instant::now();
    let stream = TcpStream::connect(peer).await?;
    let round_trip = start.elapsed();
    stream.set_nodelay(true)?;
    Ok(Dialled {
        stream,
        peer,
        round_trip,
    })
}
