//! One connection: reads a request, asks the sandbox, writes the answer back as scripted.

use std::{
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Act, Delivery, Framing, Payload, Shared,
    written::{Answer, Written},
};

/// The largest head of a request or an answer.
const HEAD: usize = 64 * 1024;

/// Steps a second in which a slow answer comes.
const STEPS: u64 = 20;

/// A request: its head as sent, without the line that ends it, and its body.
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn part(&self, place: usize) -> &str {
        self.head.split([' ', '\r']).nth(place).unwrap_or_default()
    }
}

/// What becomes of a connection after an answer.
enum After {
    Next,
    Close,
    Reset,
}

/// Serves a connection to its end.
pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    // Whatever fails here is a connection that breaks, which is what a client of this must bear.
    while let Ok(Some(request)) = request(&mut stream).await {
        match answer(&mut stream, &shared, &request).await {
            Ok(After::Next) => {}
            Ok(After::Close) => {
                let _ = stream.shutdown().await;
                return;
            }
            Ok(After::Reset) | Err(_) => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}

/// The other host, to which a redirect points: it counts, and says nothing good.
pub(super) async fn contacted(mut stream: TcpStream, shared: Arc<Shared>) {
    shared.contacts.fetch_add(1, Ordering::Relaxed);
    let _ = request(&mut stream).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await;
}

async fn answer(stream: &mut TcpStream, shared: &Shared, request: &Request) -> io::Result<After> {
    let (method, target) = (request.part(0), request.part(1));
    let struck = shared.strike(target);
    let is_struck = struck.is_some();
    let act = struck.unwrap_or_else(|| Act::framed(Framing::Length));
    if act.delivery == Delivery::Hole(0) {
        shared.saw(method, target, 0);
        return silence(stream).await;
    }
    let answer = match &act.payload {
        Payload::Answer => ask(shared, request).await?,
        Payload::Bytes { status, content_type, body } => {
            Answer::made(*status, vec![("content-type".to_owned(), content_type.clone())], body.clone())
        }
        Payload::Redirect => {
            let to = format!("http://{}{target}", shared.elsewhere);
            Answer::made(302, vec![("location".to_owned(), to)], Vec::new())
        }
        Payload::Flood { .. } => {
            Answer::made(200, vec![("content-type".to_owned(), "application/json".to_owned())], Vec::new())
        }
    };
    shared.saw(method, target, answer.status);
    let written = Written::new(&answer, &act.payload, act.framing)?;
    if is_struck {
        *shared.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(written.length());
    }
    let (most, per_second) = match act.delivery {
        Delivery::Whole => (u64::MAX, None),
        Delivery::Cut(at) | Delivery::Reset(at) | Delivery::Hole(at) => (at, None),
        Delivery::Drip(per_second) => (u64::MAX, Some(per_second.max(1))),
    };
    write(stream, &written, most, per_second).await?;
    match act.delivery {
        Delivery::Whole | Delivery::Drip(_) if written.keeps_connection() => Ok(After::Next),
        Delivery::Whole | Delivery::Drip(_) | Delivery::Cut(_) => Ok(After::Close),
        Delivery::Reset(_) => Ok(After::Reset),
        Delivery::Hole(_) => silence(stream).await,
    }
}

/// Waits until the other side has had enough.
async fn silence(stream: &mut TcpStream) -> io::Result<After> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(After::Close)
}

/// Writes the first `most` bytes.
async fn write(stream: &mut TcpStream, written: &Written, most: u64, per_second: Option<u64>) -> io::Result<()> {
    let mut left = most;
    for piece in std::iter::once(written.head.clone()).chain(written.body()) {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        left -= take as u64;
        match per_second {
            None => stream.write_all(&piece[..take]).await?,
            Some(per_second) => drip(stream, &piece[..take], per_second).await?,
        }
        if left == 0 {
            break;
        }
    }
    stream.flush().await
}

async fn drip(stream: &mut TcpStream, bytes: &[u8], per_second: u64) -> io::Result<()> {
    let steps = per_second.min(STEPS);
    for step in bytes.chunks(usize::try_from(per_second / steps).unwrap_or(usize::MAX)) {
        stream.write_all(step).await?;
        tokio::time::sleep(Duration::from_secs(1) / u32::try_from(steps).unwrap_or(1)).await;
    }
    Ok(())
}

/// The next request of a connection; none at its end.
async fn request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let Some((head, mut body)) = head(stream).await? else { return Ok(None) };
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let read = body.len();
    body.resize(length, 0);
    if read < length {
        stream.read_exact(&mut body[read..]).await?;
    }
    Ok(Some(Request { head, body }))
}

/// A head, and what came behind it; none when the connection ended before one began.
async fn head(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut all = Vec::with_capacity(2048);
    loop {
        if let Some(end) = all.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let behind = all.split_off(end + 4);
            all.truncate(end);
            let head = String::from_utf8(all).map_err(|_| io::ErrorKind::InvalidData)?;
            return Ok(Some((head, behind)));
        }
        if all.len() > HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(&mut all).await? == 0 {
            return if all.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    headers(head).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

fn headers(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.split("\r\n").skip(1).filter_map(|line| line.split_once(':').map(|(name, value)| (name, value.trim())))
}

/// The sandbox's whole answer to a request, over a connection of its own. The head goes on as it came: what is signed
/// stays signed, and links in the answer lead back to the wire.
async fn ask(shared: &Shared, request: &Request) -> io::Result<Answer> {
    let mut upstream = TcpStream::connect(shared.upstream).await?;
    let mut bytes = format!("{}\r\nconnection: close\r\n\r\n", request.head).into_bytes();
    bytes.extend(&request.body);
    upstream.write_all(&bytes).await?;
    let Some((head, mut body)) = head(&mut upstream).await? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    upstream.read_to_end(&mut body).await?;
    // The sandbox says how long its answers are; another framing here would be sent on as if it were the body.
    let length = header(&head, "content-length").and_then(|text| text.parse::<usize>().ok());
    if length != Some(body.len()) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let line = head.split("\r\n").next().unwrap_or_default().to_owned();
    let headers = headers(&head).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Answer { status, line, headers, body })
}
