//! The wire against the program's own HTTP.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, Request};

use super::*;
use crate::{
    clock::{Clock as _, SystemClock},
    config,
    domain::SourceKind,
    http::{Body, Call, HttpError, Link, Records, Transport},
    sandbox::{self, Sandbox},
};

const LIST: Call<'_> =
    Call { source: SourceKind::HecOne, method: "GET", path: "/list", harmless: true, secret_body: false };

struct Bench {
    sandbox: Sandbox,
    wire: Wire,
    link: Link,
}

impl Bench {
    async fn new() -> Self {
        let limits = config::Http {
            connect_timeout: Duration::from_millis(300),
            request_timeout: Duration::from_millis(700),
            max_retries: 0,
            max_body: 64 << 20,
            proxy: None,
        };
        let sandbox = sandbox::start(sandbox::Options::default()).await.unwrap();
        let wire = Wire::start(sandbox.addr()).await.unwrap();
        let link = Link::new(Transport::new(&limits, Arc::new(SystemClock)).unwrap(), 1000);
        Self { sandbox, wire, link }
    }

    async fn at(&self, addr: SocketAddr) -> Result<(u64, u64), HttpError> {
        let url: reqwest::Url = format!("http://{addr}/list?page=1").parse().unwrap();
        self.link.call(LIST, |_| Ok(Request::new(Method::GET, url.clone())), read).await
    }

    /// Asks for a list of numbers: how many there were, and their sum.
    async fn ask(&self, act: Act) -> Result<(u64, u64), HttpError> {
        self.wire.clear();
        self.wire.next("/list", u64::MAX, act);
        self.at(self.wire.addr()).await
    }
}

async fn read(body: Body) -> Result<(u64, u64), HttpError> {
    let mut records = Records::of(body);
    let mut sum = 0;
    while let Some(record) = records.next().await? {
        sum += record.parse::<u64>().map_err(|_| HttpError::Malformed("no number".to_owned()))?;
    }
    records.finish().map(|rest| (rest.records, sum))
}

fn numbers() -> Payload {
    let list: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    Payload::json(format!("[{}]", list.join(",")))
}

#[tokio::test]
async fn every_framing_brings_the_same_document() {
    let bench = Bench::new().await;
    for framing in Framing::ALL {
        let act = Act { framing, ..Act::sent(numbers()) };
        assert_eq!(bench.ask(act).await, Ok((300, 44_850)), "{framing:?}");
        let length = bench.wire.last().unwrap();
        assert!(length.head < length.document && length.document <= length.whole, "{framing:?} {length:?}");
    }
}

#[tokio::test]
async fn a_long_body_is_valid_in_every_framing() {
    let bench = Bench::new().await;
    // The list does not end, so that what is wrong with it is only that.
    let flood = Payload::Flood { opening: b"[1".to_vec(), unit: b",2".repeat(1000), times: 50 };
    for framing in Framing::ALL {
        let act = Act { framing, ..Act::sent(flood.clone()) };
        assert_eq!(
            bench.ask(act).await,
            Err(HttpError::Malformed("cut off after 50000 records".to_owned())),
            "{framing:?}"
        );
    }
}

#[tokio::test]
async fn a_flood_is_small_on_the_wire_when_compressed() {
    let bench = Bench::new().await;
    let act = Act { framing: Framing::Gzip, ..Act::sent(Payload::spaces(512)) };
    assert_eq!(bench.ask(act).await, Err(HttpError::TooLarge(64 << 20)));
    assert!(bench.wire.last().unwrap().whole < 1 << 20);
}

#[tokio::test]
async fn an_answer_is_cut_reset_held_or_slow_where_it_is_told() {
    let bench = Bench::new().await;
    let act = |delivery| Act { delivery, ..Act::sent(numbers()) };
    bench.ask(act(Delivery::Whole)).await.unwrap();
    let Length { head, whole, .. } = bench.wire.last().unwrap();
    for at in [0, head - 1, head, head + 1, whole - 1] {
        assert!(matches!(bench.ask(act(Delivery::Cut(at))).await, Err(HttpError::Broken(_))), "cut at {at}");
        assert!(matches!(bench.ask(act(Delivery::Reset(at))).await, Err(HttpError::Broken(_))), "reset at {at}");
    }
    assert_eq!(bench.ask(act(Delivery::Cut(whole))).await, Ok((300, 44_850)));
    for delivery in [Delivery::Hole(0), Delivery::Hole(head + 5), Delivery::Drip(100)] {
        let begun = SystemClock.monotonic();
        assert!(matches!(bench.ask(act(delivery)).await, Err(HttpError::Timeout(_))), "{delivery:?}");
        assert!(SystemClock.monotonic() - begun >= Duration::from_millis(700), "{delivery:?}");
    }
    assert_eq!(bench.ask(act(Delivery::Drip(20_000))).await, Ok((300, 44_850)));
}

#[tokio::test]
async fn another_host_knows_whether_it_was_contacted() {
    let bench = Bench::new().await;
    assert!(matches!(bench.ask(Act::sent(Payload::Redirect)).await, Err(HttpError::Status { status: 302, .. })));
    assert_eq!(bench.wire.contacts_elsewhere(), 0);
    drop(TcpStream::connect(bench.wire.shared.elsewhere).await.unwrap());
    tokio::time::timeout(Duration::from_secs(5), async {
        while bench.wire.contacts_elsewhere() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_script_strikes_after_so_many_and_so_often_and_the_rest_goes_through() {
    let bench = Bench::new().await;
    let html = Act::sent(Payload::html());
    bench.wire.script(Script { path: "page=1".to_owned(), after: 1, times: 1, act: html });
    let mut errors = Vec::new();
    for _ in 0..3 {
        errors.push(bench.at(bench.wire.addr()).await.unwrap_err().status());
    }
    // The sandbox has no such path.
    assert_eq!(errors, [Some(404), None, Some(404)]);
    assert_eq!((bench.wire.struck(), bench.wire.requests().count("/list")), (1, 3));
    assert_eq!(bench.sandbox.requests().count("/list"), 2);
}

#[tokio::test]
async fn nothing_connects_to_a_deaf_port() {
    let bench = Bench::new().await;
    let deaf = Deaf::start().await.unwrap();
    assert_eq!(
        bench.at(deaf.addr()).await,
        Err(HttpError::Connect(format!("no connection within {:?}", Duration::from_millis(300))))
    );
}
