//! Listeners: each accepts until it is told to stop, then waits for what is under way.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use net::listen::Listener;
use rustls::ServerConfig;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::connection::Reception;
use crate::drain::Drain;
use crate::gateway::Core;

/// A bound listener and what is spoken on it.
pub struct Door {
    /// The socket.
    pub listener: Listener,
    /// TLS, with the protocols that it offers; none for plain connections.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is understood on plain connections whose clients begin with it.
    pub http2: bool,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("address", &self.listener.address())
            .field("tls", &self.tls.is_some())
            .field("http2", &self.http2)
            .finish()
    }
}

/// Serves all doors until `shutdown`; returns when every connection has ended or was ended.
pub(crate) async fn serve(core: Arc<Core>, doors: Vec<Door>, shutdown: impl Future<Output = ()>) {
    let drain = Arc::new(Drain::default());
    let mut receivers = JoinSet::new();
    for door in doors {
        let reception = Reception {
            core: Arc::clone(&core),
            tls: door.tls.map(TlsAcceptor::from),
            http2: door.http2,
            drain: Arc::clone(&drain),
        };
        receivers.spawn(receive(door.listener, reception));
    }
    shutdown.await;
    drain.begin();
    while receivers.join_next().await.is_some() {}
}

/// Accepts until the drain begins, then waits for the connections that are left.
async fn receive(listener: Listener, reception: Reception) {
    let limit = reception.core.settings.limits.drain_timeout;
    let mut stopping = std::pin::pin!(reception.drain.listen());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopping.as_mut() => break,
            Some(_) = connections.join_next() => {}
            (socket, peer) = listener.accept() => {
                connections.spawn(reception.clone().serve(socket, peer));
            }
        }
    }
    // A closed listener sends new clients elsewhere while the old ones finish.
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all).await.is_err() {
        let left = connections.len();
        tracing::warn!(
            connections = left,
            "closing connections that did not finish in time"
        );
        connections.shutdown().await;
    }
}
