use bytes::Bytes;
use serde_json::json;

use super::Collector;
use crate::Expr;
use crate::sample::get;

const PIECES: [&[u8]; 3] = [b"abc", b"defgh", b"ij"];

#[test]
fn two_collectors_keep_their_own_first_bytes() {
    let mut ctx = get("/");
    let (short, long) = (Collector::new(5, None), Collector::new(100, None));
    assert_eq!(short.bytes(&ctx), None);
    for piece in PIECES {
        short.take(&mut ctx, &Bytes::from_static(piece));
        long.take(&mut ctx, &Bytes::from_static(piece));
    }
    assert_eq!(short.bytes(&ctx), Some(&b"abcde"[..]));
    assert_eq!(long.bytes(&ctx), Some(&b"abcdefghij"[..]));
}

#[test]
fn a_condition_is_judged_once_at_the_first_piece() {
    let condition = || Expr::compile(&json!([["arg_log", "==", "1"]])).unwrap();
    let collector = Collector::new(100, Some(condition()));
    let mut ctx = get("/?log=1");
    collector.take(&mut ctx, &Bytes::from_static(b"a"));
    ctx.request.uri = "/".parse().unwrap();
    collector.take(&mut ctx, &Bytes::from_static(b"b"));
    assert_eq!(collector.bytes(&ctx), Some(&b"ab"[..]));

    let mut ctx = get("/");
    collector.take(&mut ctx, &Bytes::from_static(b"a"));
    ctx.request.uri = "/?log=1".parse().unwrap();
    collector.take(&mut ctx, &Bytes::from_static(b"b"));
    assert_eq!(collector.bytes(&ctx), None);
}
