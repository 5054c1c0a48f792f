//! Where the page is served, and what is said where it cannot be.

use chrono::{NaiveTime, TimeDelta};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, WorldOptions},
};
use nix::sys::signal::Signal;
use tokio::net::TcpListener;

use crate::support::{Fuelsync, TestDatabase, get};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_had_is_a_fault_of_the_configuration() {
    let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let world =
        WorldOptions { sales: 10, from: midnight - TimeDelta::days(1), to: midnight, ..WorldOptions::default() };
    let options = sandbox::Options { world, ..sandbox::Options::default() };
    let (database, sandbox) = (TestDatabase::new().await, sandbox::start(options).await.unwrap());
    let text = sandbox::configuration(&sandbox, database.url(), midnight - TimeDelta::days(1));
    let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = held.local_addr().unwrap().to_string();
    // 192.0.2.0/24 is nobody's.
    for (address, next) in [(busy.as_str(), "Something listens there already"), ("192.0.2.1:9464", "no such address")] {
        let text = text.replace("127.0.0.1:0", address);
        let ran = Fuelsync::new(["run"]).config(&text).run().await.ended_with(2);
        assert!(ran.stderr.contains(&format!("cannot listen on {address} (server.listen)")), "{}", ran.stderr);
        assert!(ran.stderr.contains(next), "{}", ran.stderr);
    }
    assert!(sandbox.requests().all().is_empty(), "nothing was asked before");

    let demo = Fuelsync::new(["demo", "--listen", &busy]).run().await.ended_with(2);
    assert!(demo.stderr.contains(&format!("cannot listen on {busy} (--listen)")), "{}", demo.stderr);
    assert!(!demo.stderr.contains("PostgreSQL"), "nothing was started: {}", demo.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demonstration_serves_its_page_where_it_is_told_to() {
    let mut running = Fuelsync::new(["demo", "--listen", "0.0.0.0:0"]).spawn();
    let said = running.says("http://0.0.0.0:").await;
    let port = said.split("http://0.0.0.0:").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    // It is said before the first answer.
    running.says("fuelsync is running").await;
    let own: Vec<String> = std::fs::read_to_string("/proc/net/tcp")
        .unwrap()
        .lines()
        .filter(|line| line.contains(&format!("00000000:{:04X}", port.parse::<u16>().unwrap())))
        .map(str::to_owned)
        .collect();
    assert!(!own.is_empty(), "it listens on all addresses");
    assert!(get(&format!("127.0.0.1:{port}"), "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(&format!("127.0.0.1:{port}"), "/").await.contains("fuelsync"));
    running.signal(Signal::SIGTERM);
    running.wait().await.ended_with(0);
}
