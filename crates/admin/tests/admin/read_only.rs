//! Resources that are kept elsewhere.

use serde_json::json;

use crate::support::read_only;

#[tokio::test]
async fn what_is_served_can_be_read() {
    let client = read_only().await;
    let route = client.get("/routes/1").await;
    assert_eq!(route.status, 200);
    assert_eq!(
        route.json(),
        json!({
            "key": "/routes/1",
            "value": { "id": "1", "uri": "/a", "plugins": {} },
            "createdIndex": 3,
            "modifiedIndex": 3,
        })
    );
    assert_eq!(client.get("/routes").await.json()["total"], 1);
    assert_eq!(client.get("/consumers").await.json()["total"], 1);
    assert_eq!(
        client.get("/consumers/jack/credentials").await.json()["total"],
        1
    );
    assert_eq!(
        client.get("/consumers/jack/credentials/a").await.status,
        200
    );
    assert_eq!(
        client.get("/consumers/jill/credentials").await.error(),
        "consumer not found"
    );
    assert_eq!(
        client.get("/routes/2").await.json(),
        json!({ "message": "Key not found" })
    );
    assert_eq!(client.get("/schema/route").await.status, 200);
}

#[tokio::test]
async fn nothing_can_be_written() {
    let client = read_only().await;
    for (method, path) in [
        ("PUT", "/routes/1"),
        ("POST", "/routes"),
        ("PATCH", "/routes/1"),
        ("DELETE", "/routes/1"),
        ("PUT", "/consumers"),
        ("PUT", "/plugin_metadata/shine"),
    ] {
        let answer = client.send(method, path, "{}").await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.headers["allow"], "GET");
        assert_eq!(
            answer.error(),
            "resources come from a file: change the file, this api only reads"
        );
    }
}
