//! The link against servers that misbehave, byte by byte, on 127.0.0.1.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, Request, Url};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    clock::{Clock, ManualClock, SystemClock},
    config,
    domain::SourceKind,
};

/// What the server does with one request; the last goes on for ever.
#[derive(Clone)]
enum Answer {
    /// These bytes; then it closes the connection.
    Bytes(Vec<u8>),
    /// These bytes, one every so often.
    Drip(Vec<u8>, Duration),
    /// These bytes; the connection stays open for one more request, at which it closes.
    CloseAtNext(Vec<u8>),
}

struct Server {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/Things?card=7012345678901234", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let number = seen.lock().unwrap().len();
                let answer = answers[number.min(answers.len() - 1)].clone();
                let Some(head) = head(&mut stream).await else { continue };
                seen.lock().unwrap().push(head);
                match answer {
                    Answer::Bytes(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                    }
                    Answer::Drip(bytes, every) => {
                        for byte in bytes {
                            let _ = stream.write_all(&[byte]).await;
                            tokio::time::sleep(every).await;
                        }
                    }
                    Answer::CloseAtNext(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                        if let Some(head) = self::head(&mut stream).await {
                            seen.lock().unwrap().push(head);
                        }
                    }
                }
            }
        });
        Self { url, heads }
    }

    fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn bytes(status: &str, headers: &str, body: &[u8]) -> Answer {
    Answer::Bytes(answer(status, headers, body))
}

fn list() -> Answer {
    bytes("200 OK", "", b"[1,2,3]")
}

fn limits() -> config::Http {
    config::Http {
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(20),
        max_retries: 2,
        max_body: 1024 * 1024,
        proxy: None,
    }
}

fn link_with(limits: &config::Http, clock: Arc<dyn Clock>) -> Link {
    Link::new(Transport::new(limits, clock).unwrap(), 1000)
}

fn link() -> Link {
    link_with(&limits(), Arc::new(SystemClock))
}

const THINGS: Call<'_> =
    Call { source: SourceKind::AlexelaEv, method: "GET", path: "/Things", harmless: true, secret_body: false };

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

async fn read(body: Body) -> Result<Vec<String>, HttpError> {
    let mut records = Records::of(body);
    let mut read = Vec::new();
    while let Some(record) = records.next().await? {
        read.push(record);
    }
    records.finish().map(|_| read)
}

async fn ask(link: &Link, server: &Server) -> Result<Vec<String>, HttpError> {
    link.call(THINGS, |_| Ok(get(&server.url)), read).await
}

/// Asks and expects no list, and no part of the URL in the error.
async fn fault(link: &Link, server: &Server) -> HttpError {
    let error = ask(link, server).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("7012") && !shown.contains("Things") && !shown.contains("127.0.0.1"), "{shown}");
    error
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_a_request_built_anew() {
    let server = Server::start(vec![
        bytes("503 Service Unavailable", "", b"{}"),
        bytes("200 OK", "content-type: text/html\r\n", b"<html>maintenance</html>"),
        list(),
    ])
    .await;
    let mut built = Vec::new();
    let read = link()
        .call(
            THINGS,
            |attempt| {
                built.push(attempt.number);
                Ok(get(&server.url))
            },
            read,
        )
        .await;
    assert_eq!(read.unwrap(), ["1", "2", "3"]);
    assert_eq!(built, [0, 1, 2]);
}

#[tokio::test]
async fn attempts_are_limited_and_the_vendors_words_are_kept() {
    let server = Server::start(vec![bytes("500 Oops", "", br#"{"error":"card 7012345678901234 broke it"}"#)]).await;
    let said = Some("card *** broke it".to_owned());
    assert_eq!(fault(&link(), &server).await, HttpError::Status { status: 500, retry_after: None, said });
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn what_a_repetition_does_not_mend_is_asked_once() {
    for status in ["400 Bad", "401 No", "403 No", "404 No", "409 No", "422 No", "501 No"] {
        let server = Server::start(vec![bytes(status, "", b"")]).await;
        assert_eq!(fault(&link(), &server).await.status(), status[..3].parse().ok());
        assert_eq!(server.requests(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_call_that_writes_is_repeated_only_when_nothing_was_done() {
    let write = Call { harmless: false, ..THINGS };
    for (first, requests) in [("500 Oops", 1), ("429 Slow", 2)] {
        let server = Server::start(vec![bytes(first, "", b""), list()]).await;
        let _ = link().call(write, |_| Ok(get(&server.url)), read).await;
        assert_eq!(server.requests(), requests, "{first}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let server = Server::start(vec![bytes("429 Slow", "retry-after: 1\r\n", b""), list()]).await;
    let begun = SystemClock.monotonic();
    assert!(ask(&link(), &server).await.is_ok());
    assert!(SystemClock.monotonic() - begun >= Duration::from_secs(1));
}

#[tokio::test]
async fn each_attempt_is_counted_by_how_it_ended_and_waits_by_who_asked_for_them() {
    use traffic::Ended;
    let bomb = bytes("200 OK", "content-encoding: gzip\r\n", include_bytes!("../../tests/data/spaces.gz"));
    let page = bytes("200 OK", "content-type: text/html\r\n", b"<html>maintenance</html>");
    let cut_off = Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n[1,2,3]".into());
    let asks_to_wait = bytes("429 Slow", "retry-after: 1\r\n", b"");
    for (answers, ended, retries) in [
        (
            vec![bytes("503 Later", "", b""), page, list()],
            vec![(Ended::Ok, 1), (Ended::ServerError, 1), (Ended::Broken, 1)],
            2,
        ),
        (vec![cut_off, list()], vec![(Ended::Ok, 1), (Ended::Broken, 1)], 1),
        (vec![bytes("401 No", "", b"")], vec![(Ended::Refused, 1)], 0),
        (vec![bytes("302 Found", "", b"")], vec![(Ended::ServerError, 1)], 0),
        (vec![bomb], vec![(Ended::TooLarge, 1)], 0),
        (vec![asks_to_wait, list()], vec![(Ended::Ok, 1), (Ended::RateLimited, 1)], 1),
    ] {
        let (link, server) = (link(), Server::start(answers).await);
        let _ = ask(&link, &server).await;
        let counted = link.traffic().read(THINGS.source);
        for how in Ended::ALL {
            let times = ended.iter().find(|(of, _)| *of == how).map_or(0, |(_, times)| *times);
            assert_eq!(counted.ended(how), times, "{how:?} of {ended:?}");
        }
        assert_eq!((counted.retries, counted.took.iter().sum()), (retries, counted.ended.iter().sum::<u64>()));
        let asked = u64::from(ended.contains(&(Ended::RateLimited, 1)));
        assert_eq!(counted.waited.as_secs(), asked, "{ended:?}");
        assert_eq!(link.traffic().read(SourceKind::HecOne), traffic::Counted::default());
    }
}

#[tokio::test]
async fn requests_that_wait_for_their_rate_say_for_how_long() {
    let server = Server::start(vec![list()]).await;
    let link = Link::new(Transport::new(&limits(), Arc::new(SystemClock)).unwrap(), 1);
    for _ in 0..2 {
        ask(&link, &server).await.unwrap();
    }
    let waited = link.traffic().read(THINGS.source).waited;
    assert!(waited > Duration::from_millis(500) && waited <= Duration::from_millis(1_500), "{waited:?}");
}

#[tokio::test]
async fn a_wait_of_hours_fails_and_says_so() {
    let server = Server::start(vec![bytes("503 Closed", "retry-after: 7200\r\n", b""), list()]).await;
    let error = fault(&link(), &server).await;
    assert_eq!(error.to_string(), "HTTP 503 (it asks to wait 7200 s)");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_slow_drip_meets_the_deadline() {
    let limits = config::Http { request_timeout: Duration::from_millis(400), max_retries: 0, ..limits() };
    let drip = Answer::Drip(answer("200 OK", "", &[b' '; 4000]), Duration::from_millis(20));
    let server = Server::start(vec![drip]).await;
    let error = fault(&link_with(&limits, Arc::new(SystemClock)), &server).await;
    assert_eq!(error, HttpError::Timeout(limits.request_timeout));
}

#[tokio::test]
async fn a_body_that_grows_when_decoded_is_limited() {
    // 8 MiB of spaces, compressed: made with `head -c 8388608 /dev/zero | tr '\0' ' ' | gzip -9`.
    let bomb = include_bytes!("../../tests/data/spaces.gz");
    let headers = "content-encoding: gzip\r\n";
    let server = Server::start(vec![bytes("200 OK", headers, bomb)]).await;
    assert_eq!(fault(&link(), &server).await, HttpError::TooLarge(1024 * 1024));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_counts_only_when_it_is_whole() {
    let unsized_body = |body: &str| Answer::Bytes(format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes());
    let server = Server::start(vec![unsized_body(r#"[{"id":1},{"id""#), unsized_body("[1,2,3]")]).await;
    assert_eq!(ask(&link(), &server).await.unwrap(), ["1", "2", "3"]);
    let server = Server::start(vec![unsized_body("[1,2,3")]).await;
    assert_eq!(fault(&link(), &server).await, HttpError::Malformed("cut off after 2 records".into()));
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_a_broken_connection() {
    let server =
        Server::start(vec![Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n[1,2,3]".into())]).await;
    assert_eq!(fault(&link(), &server).await, HttpError::Broken("the body was cut off".into()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![list()]).await;
    let headers = format!("location: {}\r\n", elsewhere.url);
    let server = Server::start(vec![bytes("302 Found", &headers, b"")]).await;
    assert_eq!(fault(&link(), &server).await.status(), Some(302));
    assert_eq!((server.requests(), elsewhere.requests()), (1, 0));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_asked_again_at_once() {
    let limits = config::Http { max_retries: 0, ..limits() };
    let server = Server::start(vec![Answer::CloseAtNext(answer("200 OK", "", b"[1]")), list(), list()]).await;
    let link = link_with(&limits, Arc::new(SystemClock));
    assert_eq!(ask(&link, &server).await.unwrap(), ["1"]);
    assert_eq!(ask(&link, &server).await.unwrap(), ["1", "2", "3"]);
    assert_eq!(server.requests(), 3, "the second call met the closing connection");
}

#[tokio::test]
async fn nobody_listening_is_said_in_short() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/Things?card=7012345678901234", listener.local_addr().unwrap());
    drop(listener);
    let server = Server { url, heads: Arc::default() };
    assert_eq!(fault(&link(), &server).await, HttpError::Connect("connection refused".into()));
}

#[tokio::test]
async fn the_offset_is_learnt_from_every_answer_but_a_cached_one() {
    let here: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::at(here));
    let link = link_with(&limits(), clock.clone());
    let dated = |date: &str, more: &str| bytes("400 Bad", &format!("date: {date}\r\n{more}"), b"");
    let server = Server::start(vec![
        dated("Sat, 21 Nov 2026 11:00:00 GMT", "age: 3600\r\n"),
        dated("Sat, 21 Nov 2026 12:07:00 GMT", ""),
        dated("Thu, 01 Jan 1970 00:00:00 GMT", ""),
    ])
    .await;
    assert!(ask(&link, &server).await.is_err());
    assert_eq!((link.offset(), link.skew()), (TimeDelta::zero(), None));
    assert!(ask(&link, &server).await.is_err());
    assert_eq!(link.offset(), TimeDelta::milliseconds(420_500));
    assert_eq!(link.present(), here + link.offset());
    let _ = link
        .call(
            THINGS,
            |attempt| {
                assert_eq!(attempt.at, here + TimeDelta::milliseconds(420_500));
                Ok(get(&server.url))
            },
            read,
        )
        .await;
    assert_eq!(link.offset(), TimeDelta::zero(), "a date in 1970 is not believed, and the old one no longer fits");
    assert!(link.skew().unwrap() < TimeDelta::days(-20_000));
}

#[tokio::test]
async fn a_read_during_which_a_clock_steps_is_placed_no_later_than_it_began() {
    let here: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let noon = || bytes("200 OK", "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n", b"[]");
    for hours in [-12, 12] {
        let clock = Arc::new(ManualClock::at(here));
        let link = link_with(&limits(), clock.clone());
        let server = Server::start(vec![noon()]).await;
        assert_eq!(ask(&link, &server).await.unwrap(), [""; 0]);
        let begun = link.begin();
        clock.set(here + TimeDelta::hours(hours));
        assert_eq!(ask(&link, &server).await.unwrap(), [""; 0]);
        assert!((link.present() - here).abs() <= TimeDelta::seconds(1), "the server's time is known");
        assert!(link.placed(begun) <= here + TimeDelta::seconds(1), "a step by {hours} h");
    }
}

#[tokio::test]
async fn a_read_that_began_on_a_wrong_clock_which_is_set_right_meanwhile_is_placed_by_the_servers_time() {
    let here: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let noon = || bytes("200 OK", "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n", b"[]");
    let clock = Arc::new(ManualClock::at(here));
    let link = link_with(&limits(), clock.clone());
    let server = Server::start(vec![noon()]).await;
    ask(&link, &server).await.unwrap();
    // Ahead since a moment ago, which nothing has shown yet; the correction is none before and none afterwards.
    clock.set(here + TimeDelta::hours(3));
    let begun = link.begin();
    ask(&link, &server).await.unwrap();
    clock.set(here);
    ask(&link, &server).await.unwrap();
    assert_eq!(link.offset(), TimeDelta::zero());
    assert!(link.placed(begun) <= here + TimeDelta::seconds(1), "{}", link.placed(begun));
}

#[tokio::test]
async fn a_clock_that_was_wrong_when_a_read_began_and_is_right_by_its_only_answer_does_not_place_it() {
    let here: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let noon = || bytes("200 OK", "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n", b"[]");
    for (is_asked_first, and_back) in [(false, false), (true, false), (false, true), (true, true)] {
        let clock = Arc::new(ManualClock::at(here));
        let link = link_with(&limits(), clock.clone());
        let server = Server::start(vec![noon()]).await;
        ask(&link, &server).await.unwrap();
        // Ahead since a moment ago, which nothing has shown yet, and set right before the request, or while it is answered.
        clock.set(here + TimeDelta::minutes(10));
        let begun = link.begin();
        if !is_asked_first {
            clock.set(here);
        }
        let answered = |_| {
            clock.set(here);
            Ok(get(&server.url))
        };
        link.call(THINGS, answered, read).await.unwrap();
        if and_back {
            clock.set(here + TimeDelta::minutes(10));
        }
        assert!(link.placed(begun) <= here + TimeDelta::seconds(1), "{}", link.placed(begun));
    }
}

#[tokio::test]
async fn a_read_that_is_the_first_to_hear_from_a_server_is_placed_by_its_time() {
    let here: DateTime<Utc> = "2026-11-21T11:00:00Z".parse().unwrap();
    let link = link_with(&limits(), Arc::new(ManualClock::at(here)));
    let server = Server::start(vec![bytes("200 OK", "date: Sat, 21 Nov 2026 12:00:00 GMT\r\n", b"[]")]).await;
    let begun = link.begin();
    assert_eq!(ask(&link, &server).await.unwrap(), [""; 0]);
    assert_eq!(link.placed(begun), here + TimeDelta::hours(1) + TimeDelta::milliseconds(500));
}
