use std::net::SocketAddr;

use tokio::{net::TcpStream, sync::oneshot};

use super::Listener;

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn kernel_chooses_the_port_and_small_writes_leave_at_once() {
    let listener = Listener::bind(any_port()).unwrap();
    assert_ne!(listener.address().port(), 0);
    let (client, (stream, peer)) =
        tokio::join!(TcpStream::connect(listener.address()), listener.accept());
    assert_eq!(peer, client.unwrap().local_addr().unwrap());
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn address_in_use_is_an_error_and_free_again_after_the_end() {
    let first = Listener::bind(any_port()).unwrap();
    let address = first.address();
    assert_eq!(
        Listener::bind(address).unwrap_err().kind(),
        std::io::ErrorKind::AddrInUse
    );
    // A connection that the server closed first would block the port without SO_REUSEADDR.
    let (client, (stream, _)) = tokio::join!(TcpStream::connect(address), first.accept());
    drop(stream);
    drop(first);
    drop(client);
    Listener::bind(address).unwrap();
}

#[tokio::test]
async fn serving_ends_when_it_is_told_to() {
    let listener = Listener::bind(any_port()).unwrap();
    let address = listener.address();
    let (tell, told) = oneshot::channel::<()>();
    let mut tell = Some(tell);
    let serving = listener.serve(
        async {
            told.await.unwrap();
        },
        |_, _| tell.take().unwrap().send(()).unwrap(),
    );
    let (client, ()) = tokio::join!(TcpStream::connect(address), serving);
    client.unwrap();
}
