//! Listening sockets, and an accept loop that survives a shortage of file descriptors.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// How long accepting pauses when the process or the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections the kernel queues before they are accepted.
pub const BACKLOG: i32 = 4096;

/// A bound TCP listener.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

// === impl Listener ===

impl Listener {
    /// Binds an address; port 0 lets the kernel choose one.
    ///
    /// The address can be bound again at once after a restart (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// When the address is in use, is not this machine's, or needs privileges.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            // `[::]` and `0.0.0.0` are listed separately when both are wanted.
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address in force, with the port that the kernel chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, for servers with an accept loop of their own.
    pub fn into_inner(self) -> TcpListener {
        self.listener
    }

    /// Waits for the next connection. Small writes on it leave at once (`TCP_NODELAY`).
    ///
    /// Failures of single connections are skipped. While descriptors or memory are short it
    /// pauses, and says so in the log. Cancel-safe.
    pub async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => match stream.set_nodelay(true) {
                    Ok(()) => return (stream, peer),
                    // The peer has left already.
                    Err(error) => tracing::debug!(%peer, %error, "connection lost while accepting"),
                },
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "connection lost while accepting");
                }
                Err(error) => {
                    tracing::error!(address = %self.address, %error, "cannot accept connections");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Accepts until `stop` is done, and hands each connection to `serve`.
    pub async fn serve(
        &self,
        stop: impl Future<Output = ()>,
        mut serve: impl FnMut(TcpStream, SocketAddr),
    ) {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = stop.as_mut() => return,
                (stream, peer) = self.accept() => serve(stream, peer),
            }
        }
    }

    /// The poll form of accepting, for callers with a loop of their own; errors are not judged.
    ///
    /// # Errors
    ///
    /// As `accept(2)`.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.listener.poll_accept(cx)
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
