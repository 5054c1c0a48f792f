//! The server as its callers meet it: over a socket.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    clock::SystemClock,
    domain::{Partition, SourceKind},
    sync::{doorbell::Pulse, watch::Watch},
};

fn stream(source: SourceKind, partition: Partition) -> StreamView {
    StreamView {
        source,
        account: "north".to_owned(),
        partition,
        configured: true,
        watermark: "2026-11-21T09:45:00Z".parse().ok(),
        freshness_seconds: Some(900),
        lag_seconds: Some(0),
        late: false,
        last_outcome: None,
        last_pass: "2026-11-21T10:00:00Z".parse().ok(),
        rows: 12,
        gaps: 1,
        quarantine: 0,
        next_due: None,
        last_error: None,
        lease_owner: None,
        unread_from: None,
        unread_age_seconds: None,
        unrecoverable_in_seconds: None,
    }
}

fn view() -> View {
    View {
        version: "1.2.3".to_owned(),
        started_at: "2026-11-21T08:00:00Z".parse().unwrap(),
        taken_at: "2026-11-21T10:00:00Z".parse().unwrap(),
        database: DatabaseView::ready(),
        streams: vec![
            stream(SourceKind::AlexelaCard, Partition::contract("1")),
            StreamView {
                watermark: "2026-11-20T00:00:00Z".parse().ok(),
                last_outcome: Some(crate::warehouse::standing::LastPass::Failed),
                last_error: Some("HTTP 500".to_owned()),
                freshness_seconds: Some(122_400),
                ..stream(SourceKind::AlexelaCard, Partition::contract("2"))
            },
        ],
        lines: vec![LineCount {
            source: SourceKind::AlexelaCard,
            account: "north".to_owned(),
            outcome: "inserted".to_owned(),
            lines: 24,
        }],
    }
}

/// Of a process that reads nothing.
fn reading(database: DatabaseView) -> Reading {
    let started_at = "2026-11-21T08:00:00Z".parse().unwrap();
    Reading { version: "1.2.3", started_at, database, interfaces: vec![] }
}

type Serving = (SocketAddr, CancellationToken, tokio::task::JoinHandle<std::io::Result<()>>);

async fn serving(view: View) -> Serving {
    serving_with(view, Arc::new(Watch::new(Arc::new(SystemClock)))).await
}

async fn serving_with(view: View, watch: Arc<Watch>) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (database, probed) = (view.database.clone(), view.database.clone());
    let state = StatusState::new(
        move || std::future::ready(view.clone()),
        move || std::future::ready(reading(database.clone())),
        move || std::future::ready(probed.clone()),
        Vitals::new(Pulse::without_bells(Arc::new(SystemClock)), watch),
    );
    let stop = CancellationToken::new();
    (address, stop.clone(), tokio::spawn(serve(listener, state, stop)))
}

async fn send(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get_from(address: SocketAddr, path: &str) -> (u16, String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: evil<script>.example\r\nConnection: close\r\n\r\n");
    let answer = send(address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_page_shows_every_stream_and_lets_nothing_in() {
    let mut shown = view();
    shown.streams[0].account = "<script>alert(1)</script>".to_owned();
    shown.streams[1].last_error = Some("a \"quoted\" <error>".to_owned());
    let (address, ..) = serving(shown).await;

    let (status, head, body) = get_from(address, "/").await;

    assert_eq!(status, 200);
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(body.contains("a &quot;quoted&quot; &lt;error&gt;"));
    assert!(body.contains("2026-11-21 09:45:00 UTC") && body.contains("1 d 10 h"));
    assert_eq!(body.matches("<script").count(), 1, "no script but the page's own, the caller's Host least of all");
    assert!(!body.contains("http://") && !body.contains("https://") && !body.contains("evil"));
    assert!(body.contains("http-equiv=\"refresh\""));
    assert!(head.contains("content-security-policy: default-src 'none'; style-src 'sha256-"));
    assert!(head.contains("x-content-type-options: nosniff") && head.contains("cache-control: no-store"));
}

#[tokio::test]
async fn style_and_script_are_those_that_the_policy_allows() {
    let (address, ..) = serving(view()).await;
    let (_, head, html) = get_from(address, "/").await;
    for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let text = html.split_once(begin).unwrap().1.split_once(end).unwrap().0;
        let hash = STANDARD.encode(Sha256::digest(text));
        assert!(head.contains(&format!("'sha256-{}'", hash.to_lowercase())), "{begin}");
    }
    assert!(!html.contains(" style=") && !html.contains(" onclick="), "the policy would refuse them");
}

#[tokio::test]
async fn parameters_choose_among_what_is_there_and_are_not_repeated() {
    let (address, ..) = serving(view()).await;
    let stream = "/stream?source=alexela_card&account=north&partition=2";
    let (status, _, body) = get_from(address, stream).await;
    assert!(status == 200 && body.contains("alexela_card/north/2") && body.contains("HTTP 500"));
    assert_eq!(get_from(address, "/?source=alexela_card&account=north").await.0, 200);
    for unknown in [
        "/stream",
        "/stream?source=alexela_card",
        "/stream?source=alexela_card&account=north&partition=3",
        "/stream?source=shell&account=north",
        "/stream?source=alexela_card&account=%3Cscript%3Eevil",
        "/stream?source=alexela_card&account=north&account=evil&partition=2",
        "/?source=alexela_card",
        "/?source=evil&account=north",
        "/?source=alexela_card&account=%3Cb%3Eevil",
        "/stream?source=%ff&account=evil",
    ] {
        let (status, head, body) = get_from(address, unknown).await;
        assert_eq!(status, 404, "{unknown}");
        assert!(!body.contains("evil") && head.contains("content-security-policy"), "{unknown}");
    }
}

#[tokio::test]
async fn pages_say_so_when_the_database_is_out_of_reach() {
    let database = DatabaseView::unreachable("the database cannot be reached: connection refused");
    let (address, ..) = serving(View { database, streams: vec![], ..view() }).await;
    let (status, _, body) = get_from(address, "/stream?source=alexela_card&account=north&partition=2").await;
    assert!(status == 503 && body.contains("connection refused"));
    let (status, _, body) = get_from(address, "/?source=alexela_card&account=north").await;
    assert!(status == 200 && body.contains("connection refused"));
}

#[tokio::test]
async fn programs_get_the_same_as_json() {
    let (address, ..) = serving(view()).await;
    let (status, head, body) = get_from(address, "/api/status").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["version"], "1.2.3");
    assert_eq!(body["streams"][1]["source"], "alexela_card");
    assert_eq!(body["streams"][1]["partition"], "2");
    assert_eq!(body["streams"][1]["watermark"], "2026-11-20T00:00:00Z");
    assert_eq!(body["streams"][0]["last_error"], serde_json::Value::Null);
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_text() {
    let (address, ..) = serving(view()).await;
    let (status, head, body) = get_from(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
    assert_eq!(body, metrics::render(&reading(DatabaseView::ready()), true));
}

#[tokio::test]
async fn without_its_database_the_process_is_alive_and_not_ready() {
    let database = DatabaseView::unreachable("the database cannot be reached: connection refused");
    let (address, ..) = serving(View { database, streams: vec![], lines: vec![], ..view() }).await;
    assert_eq!(get_from(address, "/healthz").await.0, 200);
    let (status, _, body) = get_from(address, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "the database cannot be reached: connection refused\n"));
    assert!(get_from(address, "/metrics").await.2.contains("\nfuelsync_database_up 0\n"));
    assert!(get_from(address, "/").await.2.contains("connection refused"));
}

#[tokio::test]
async fn a_process_in_which_something_is_stuck_is_not_healthy() {
    let watch = Arc::new(Watch::new(Arc::new(SystemClock)));
    let (address, ..) = serving_with(view(), Arc::clone(&watch)).await;
    let late = watch.begin("the pass", "alexela_card/north/1", Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (status, _, body) = get_from(address, "/healthz").await;
    assert_eq!(status, 503);
    assert_eq!(body, "the pass of alexela_card/north/1 should have been over for 0 s; restart the process\n");
    assert!(get_from(address, "/metrics").await.2.contains("\nfuelsync_healthy 0\n"));
    drop(late);
    assert_eq!(get_from(address, "/healthz").await.0, 200);
}

#[tokio::test]
async fn a_database_without_its_migrations_is_not_ready() {
    let database = DatabaseView {
        reachable: true,
        ..DatabaseView::unreachable("1 migration(s) are not applied; run `fuelsync migrate`")
    };
    let (address, ..) = serving(View { database, ..view() }).await;
    let (status, _, body) = get_from(address, "/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("fuelsync migrate"));
}

#[tokio::test]
async fn nothing_can_be_changed_and_nothing_else_is_there() {
    let (address, ..) = serving(view()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(send(address, &request).await.starts_with("HTTP/1.1 405 "), "{method}");
    }
    let (status, head, _) = get_from(address, "/etc/passwd").await;
    assert_eq!(status, 404);
    assert!(head.contains("content-security-policy"));
}

#[tokio::test]
async fn it_stops_when_told_even_with_a_caller_that_never_asks() {
    let (address, stop, server) = serving(view()).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(get_from(address, "/healthz").await.0, 200);
    stop.cancel();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
