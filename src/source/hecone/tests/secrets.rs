//! A server that repeats the secret that it was sent: it stands neither in the log nor in the error.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use super::*;

/// All that was logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_login_that_fails_shows_nothing_of_the_secret_whatever_its_status() {
    for status in [400, 404, 429, 500, 503] {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _logging = tracing::subscriber::set_default(log);
        let setup = Setup::trying(Vendor { no_login: Some(status), ..Vendor::new(&[1]) }, 1, |_| {}).await;
        let (_, end) = setup.read(window(0, 60)).await;
        let error = end.unwrap_err();
        let logged = written.text();
        assert_eq!(logged.contains("trying again"), [429, 500, 503].contains(&status), "{status}: {logged}");
        assert!(!logged.contains("s3cr3t"), "{status}: {logged}");
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{status}: {error:?}");
        assert!(error.to_string().contains(&status.to_string()), "{status}: {error}");
    }
}
