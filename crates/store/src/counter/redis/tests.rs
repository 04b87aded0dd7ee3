use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::link::Link;
use super::{RedisCounters, RedisServer, RedisSettings};
use crate::counter::{StoreError, Tally};

const MINUTE: Duration = Duration::from_mins(1);

fn settings(port: u16, timeout: Duration) -> RedisSettings {
    RedisSettings {
        server: RedisServer::Single("127.0.0.1".to_owned(), port),
        username: None,
        password: Some("hush".to_owned()),
        database: 0,
        tls: None,
        connect_timeout: timeout,
        read_timeout: timeout,
        timeout,
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads commands, and gives the answers of `answer` to each in turn.
async fn serve(mut socket: TcpStream, mut answer: impl FnMut(&str) -> Option<&'static str>) {
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = socket.read(&mut buffer).await.unwrap_or_default();
        if read == 0 {
            return;
        }
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        for word in ["AUTH", "EVALSHA", "EVAL\r\n"] {
            if seen.contains(word)
                && let Some(answer) = answer(word)
            {
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        seen.clear();
    }
}

#[tokio::test]
async fn a_server_that_is_silent_costs_no_more_than_its_timeout() {
    let (listener, port) = listen().await;
    let patience = Duration::from_millis(50);
    let counters = RedisCounters::new(settings(port, patience));
    for _ in 0..2 {
        let start = Instant::now();
        let outcome = counters.look("a", MINUTE).await;
        assert!(outcome.is_err());
        // Not a limit of the clock: without a timeout nobody ever comes back.
        assert!(start.elapsed() >= patience);
    }
    drop(listener);
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error() {
    let (listener, port) = listen().await;
    drop(listener);
    let counters = RedisCounters::new(settings(port, Duration::from_secs(5)));
    let outcome = counters.look("a", MINUTE).await;
    assert!(matches!(outcome, Err(StoreError::Failed(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_script_that_the_server_does_not_know_is_sent() {
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let answer = |word: &str| match word {
            "AUTH" => Some("+OK\r\n"),
            "EVALSHA" => Some("-NOSCRIPT No matching script.\r\n"),
            _ => Some("*2\r\n:7\r\n:1500\r\n"),
        };
        serve(socket, answer).await;
    });
    let counters = RedisCounters::new(settings(port, Duration::from_secs(5)));
    let tally = counters.look("a", MINUTE).await.unwrap();
    let left = Duration::from_millis(1500);
    assert_eq!(tally, Tally { used: 7, left });
}

#[tokio::test]
async fn after_a_failure_another_connection_is_made() {
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        for own in ["-READONLY You can't write.\r\n", "*2\r\n:1\r\n:9\r\n"] {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(socket, move |word| match word {
                "AUTH" => Some("+OK\r\n"),
                _ => Some(own),
            }));
        }
    });
    let counters = RedisCounters::new(settings(port, Duration::from_secs(5)));
    assert!(counters.look("a", MINUTE).await.is_err());
    assert_eq!(counters.look("a", MINUTE).await.unwrap().used, 1);
}

/// Answers one command on its first connection, closes it at the next one, and then serves another.
async fn close_once(listener: TcpListener) {
    let handshake = |word: &str| (word == "AUTH").then_some("+OK\r\n");
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 4096];
    let mut answered = 0;
    while answered < 2 {
        let read = socket.read(&mut buffer).await.unwrap();
        let seen = String::from_utf8_lossy(&buffer[..read]).into_owned();
        if seen.contains("AUTH") {
            socket.write_all(b"+OK\r\n").await.unwrap();
        }
        if seen.contains("EVALSHA") {
            answered += 1;
            if answered == 1 {
                socket.write_all(b"*2\r\n:1\r\n:9\r\n").await.unwrap();
            }
        }
    }
    drop(socket);
    let (socket, _) = listener.accept().await.unwrap();
    serve(socket, move |word| {
        handshake(word).or(Some("*2\r\n:2\r\n:9\r\n"))
    })
    .await;
}

#[tokio::test]
async fn a_look_over_a_connection_that_the_server_closes_is_made_again() {
    let (listener, port) = listen().await;
    tokio::spawn(close_once(listener));
    let counters = RedisCounters::new(settings(port, Duration::from_secs(30)));
    assert_eq!(counters.look("a", MINUTE).await.unwrap().used, 1);
    assert_eq!(counters.look("a", MINUTE).await.unwrap().used, 2);
}

#[tokio::test]
async fn a_charge_over_a_connection_that_the_server_closes_is_not_made_twice() {
    let (listener, port) = listen().await;
    tokio::spawn(close_once(listener));
    let link = Link::new(settings(port, Duration::from_secs(30)));
    assert_eq!(link.charge("a", 1, MINUTE).await.unwrap().used, 1);
    let outcome = link.charge("a", 1, MINUTE).await;
    assert!(matches!(outcome, Err(StoreError::Failed(_))), "{outcome:?}");
}

#[test]
fn credentials_are_not_told() {
    let settings = settings(6379, MINUTE);
    let told = format!("{settings:?} {}", settings.identity());
    assert!(!told.contains("hush"), "{told}");
    let mut other = settings.clone();
    other.password = Some("other".to_owned());
    assert_ne!(settings.identity(), other.identity());
}
