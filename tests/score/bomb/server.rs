//! A server that sends a hostile body over plain sockets, as fast as it is taken.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use fuelsync::clock::{Clock, SystemClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::bodies::{Body, Framing, Place, Vendor};
use crate::Run;

/// The server; it ends when dropped.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// The program's configuration: every stream of the vendor, with the limits as they are but those of time.
    pub(super) fn configuration(&self, body: Body, database: &str, window: u64) -> String {
        let day = SystemClock.now().date_naive();
        let (url, start) = (format!("http://127.0.0.1:{}/api/v1", self.port), day.pred_opt().expect("a day"));
        let account = match body.vendor {
            Vendor::HecOne => format!(
                "[[hecone]]\nname = \"north\"\nbase_url = \"{url}\"\nclient_id = \"a\"\nclient_secret = \"b\"\n\
                 start = \"{start}\"\nwindow = \"2d\"\npage_limit = 10000\nrequests_per_second = 1000\n"
            ),
            Vendor::Alexela => format!(
                "[[alexela]]\nname = \"fleet\"\nbase_url = \"{url}\"\naccess_id = \"a\"\npsk = \"{}\"\nstart = \"{start}\"\n\
                 requests_per_second = 1000\nsources = [\"alexela_card\", \"alexela_bonus\", \"alexela_ev\"]\nwindow_days = 59\n",
                "0123456789abcdef".repeat(8)
            ),
        };
        format!(
            "[database]\nurl = {database:?}\nmigrate = true\n\n[http]\nrequest_timeout = \"5s\"\nmax_retries = 0\n\n\
             [sync]\nwindow_timeout = \"{window}s\"\n\n{account}"
        )
    }
}

pub(super) async fn serve(body: Body, run: Run) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { drop(answer(stream, body, run.size).await) });
        }
    });
    Server { port, task }
}

/// Answers one request and closes.
async fn answer(mut stream: TcpStream, body: Body, size: u64) -> std::io::Result<()> {
    let head = request(&mut stream).await?;
    let first = head.contains("/login") || head.contains("/ContractNumbers");
    if (body.place == Place::First) == first {
        return send(&mut stream, body, offset(&head), size).await;
    }
    let text = if head.contains("/login") {
        "{\"access_token\":\"t\",\"expires_in\":3600}"
    } else if first {
        "[\"1\"]"
    } else {
        "[]"
    };
    let answer = format!("{}content-length: {}\r\n\r\n{text}", start("200 OK"), text.len());
    stream.write_all(answer.as_bytes()).await
}

/// Reads a request with its body; gives its head.
async fn request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if rest.len() >= length.unwrap_or(0) {
                return Ok(head.to_owned());
            }
        }
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn offset(head: &str) -> u64 {
    let place = head
        .split_once("offset%5D=")
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    place.and_then(|place| place.parse().ok()).unwrap_or(0)
}

fn start(status: &str) -> String {
    let date = httpdate::fmt_http_date(SystemClock.now().into());
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ndate: {date}\r\n")
}

async fn send(stream: &mut TcpStream, body: Body, page: u64, size: u64) -> std::io::Result<()> {
    let status = if body.framing == Framing::Error { "500 Internal Server Error" } else { "200 OK" };
    let most = size * 1024 * 1024;
    match body.framing {
        Framing::Continues => return forever(stream, "", "HTTP/1.1 100 Continue\r\n\r\n", most).await,
        Framing::Headers => return forever(stream, &start(status), "x-a: aaaaaaaaaaaaaaaa\r\n", most).await,
        Framing::Trailers => {
            let begin = format!("{}transfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n", start(status));
            return forever(stream, &begin, "x-a: aaaaaaaaaaaaaaaa\r\n", most).await;
        }
        Framing::Chunked | Framing::ByteChunks | Framing::Gzip | Framing::TwiceGzip | Framing::Error => {}
    }
    let encoding = match body.framing {
        Framing::Gzip => "content-encoding: gzip\r\n",
        Framing::TwiceGzip => "content-encoding: gzip, gzip\r\n",
        _ => "",
    };
    stream.write_all(format!("{}{encoding}transfer-encoding: chunked\r\n\r\n", start(status)).as_bytes()).await?;
    let day = SystemClock.now().date_naive().pred_opt().expect("a day").format("%Y-%m-%dT12:00:00Z").to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut twice = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in body.pieces(page, size) {
        let piece = piece.replace("DAY", &day);
        match body.framing {
            Framing::Gzip => {
                gzip.write_all(piece.as_bytes())?;
                chunk(stream, &std::mem::take(gzip.get_mut())).await?;
            }
            Framing::TwiceGzip => {
                gzip.write_all(piece.as_bytes())?;
                twice.write_all(&std::mem::take(gzip.get_mut()))?;
                chunk(stream, &std::mem::take(twice.get_mut())).await?;
            }
            Framing::ByteChunks => {
                let bytes: Vec<u8> = piece.bytes().flat_map(|byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']).collect();
                stream.write_all(&bytes).await?;
            }
            _ => chunk(stream, piece.as_bytes()).await?,
        }
    }
    if body.framing == Framing::Gzip {
        chunk(stream, &gzip.finish()?).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.shutdown().await
}

async fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.write_all(b"\r\n").await
}

async fn forever(stream: &mut TcpStream, begin: &str, piece: &str, most: u64) -> std::io::Result<()> {
    stream.write_all(begin.as_bytes()).await?;
    let piece = piece.repeat(1_000);
    for _ in 0..most / piece.len() as u64 {
        stream.write_all(piece.as_bytes()).await?;
    }
    stream.shutdown().await
}
