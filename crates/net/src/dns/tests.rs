use std::net::SocketAddr;

use super::resolve;

#[tokio::test]
async fn literals_are_taken_as_they_are() {
    let four: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let six: SocketAddr = "[::1]:443".parse().unwrap();
    assert_eq!(resolve("127.0.0.1", 80).await.unwrap().as_slice(), [four]);
    assert_eq!(resolve("::1", 443).await.unwrap().as_slice(), [six]);
    assert_eq!(resolve("[::1]", 443).await.unwrap().as_slice(), [six]);
}

#[tokio::test]
async fn names_come_from_the_systems_resolver() {
    let found = resolve("localhost", 80).await.unwrap();
    assert!(
        found
            .iter()
            .all(|address| address.ip().is_loopback() && address.port() == 80)
    );
}

#[tokio::test]
async fn unknown_name_is_an_error_that_names_it() {
    let error = resolve("no-such-host.invalid", 80).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot resolve \"no-such-host.invalid\"");
}
