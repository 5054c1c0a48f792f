//! What systemd is told, as `sd_notify(3)` says, and when it wants to hear that the service works.
//!
//! The words are `sd-notify`'s. The sending is not: that crate takes the address for a path always, and waits for ever for a
//! manager that does not read.

use std::{
    ffi::OsStr,
    io,
    os::unix::{
        ffi::OsStrExt as _,
        net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use sd_notify::NotifyState;

/// How long a manager that does not read is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tells systemd; does nothing where nobody wants to be told.
pub(super) fn tell(state: &[NotifyState<'_>]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, &said(state)) {
        tracing::warn!(%error, "systemd cannot be told how the service is");
    }
}

/// How often systemd wants to hear that the service works, when it does.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|period| !period.is_zero())
}

/// One line a state.
fn said(state: &[NotifyState<'_>]) -> String {
    state.iter().map(|state| state.to_string().replace(['\n', '\r'], " ") + "\n").collect()
}

fn send(socket: &OsStr, text: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => abstract_address(name)?,
        [b'/', ..] => SocketAddr::from_pathname(socket)?,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "NOTIFY_SOCKET is neither a path nor an @name")),
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(PATIENCE))?;
    sender.send_to_addr(text.as_bytes(), &address).map(|_| ())
}

/// A name in Linux's own space, where there is no file.
#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no abstract sockets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut buffer = [0; 1_000];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), &said(&[NotifyState::Ready, NotifyState::Status("two\nlines")])).unwrap();
        assert_eq!(received(&manager), "READY=1\nSTATUS=two lines\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_is_told_at_its_abstract_name() {
        let name = format!("fuelsync-test-{}", uuid::Uuid::new_v4());
        let manager = UnixDatagram::bind_addr(&abstract_address(name.as_bytes()).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), &said(&[NotifyState::Watchdog])).unwrap();
        assert_eq!(received(&manager), "WATCHDOG=1\n");
    }

    #[test]
    fn an_address_of_another_kind_and_one_that_nobody_reads_are_errors() {
        for socket in ["vsock:2:1", "relative", "@"] {
            assert!(send(OsStr::new(socket), "READY=1\n").is_err(), "{socket}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(send(folder.path().join("nobody").as_os_str(), "READY=1\n").is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let full = std::iter::repeat_with(|| send(path.as_os_str(), "WATCHDOG=1\n")).take(100_000).find(Result::is_err);
        assert_eq!(full.expect("its queue is full").expect_err("full").kind(), io::ErrorKind::WouldBlock);
    }
}
