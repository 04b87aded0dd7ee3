use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::{Instant, sleep},
};

use super::SendBound;

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn peer_that_takes_nothing_ends_the_write() {
    let (ours, _theirs) = duplex(8);
    let start = Instant::now();
    let error = SendBound::new(ours, Some(LIMIT))
        .write_all(&[0; 9])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    // The clock is the runtime's own and stands still but for this wait.
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn peer_that_takes_little_by_little_is_served_for_as_long_as_it_takes() {
    let (ours, mut theirs) = duplex(8);
    let mut bound = SendBound::new(ours, Some(LIMIT));
    let reader = async {
        for _ in 0..10 {
            sleep(LIMIT * 4 / 5).await;
            theirs.read_exact(&mut [0; 8]).await.unwrap();
        }
    };
    let (written, ()) = tokio::join!(bound.write_all(&[0; 80]), reader);
    written.unwrap();
}

#[tokio::test(start_paused = true)]
async fn quiet_connection_is_not_bounded() {
    let (ours, mut theirs) = duplex(8);
    let mut bound = SendBound::new(ours, Some(LIMIT));
    bound.write_all(b"one").await.unwrap();
    let speaker = async {
        sleep(LIMIT * 10).await;
        theirs.write_all(b"two").await.unwrap();
    };
    let mut heard = [0; 3];
    let (read, ()) = tokio::join!(bound.read_exact(&mut heard), speaker);
    read.unwrap();
    bound.write_all(b"three").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_write_waits() {
    let (ours, mut theirs) = duplex(8);
    let mut bound = SendBound::new(ours, None);
    let reader = async {
        sleep(LIMIT * 100).await;
        theirs.read_exact(&mut [0; 9]).await.unwrap();
    };
    let (written, ()) = tokio::join!(bound.write_all(&[0; 9]), reader);
    written.unwrap();
}
