//! A shortage of file descriptors. Alone in its process, since the limit is the process's.

use std::time::Duration;

use net::listen::Listener;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

#[tokio::test]
async fn accepting_goes_on_once_descriptors_are_free_again() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = TcpStream::connect(listener.address()).await.unwrap();
    let enough = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(0),
            ..enough
        },
    )
    .unwrap();
    let starved = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(starved.is_err());
    setrlimit(Resource::Nofile, enough).unwrap();
    let (_, peer) = listener.accept().await;
    assert_eq!(peer, client.local_addr().unwrap());
}
