//! The `PostgreSQL` server of the tests: the one given, else one of our own from this machine's programs, else a
//! container. When none works the test fails and says what to install. It never skips.

use std::sync::Arc;

use fuelsync::embedded::{Embedded, EmbeddedOptions};
use secrecy::ExposeSecret;
use tokio::sync::{Mutex, OnceCell};

use super::container::Container;

/// The server to use when somebody knows better; its role must be allowed to create databases.
const GIVEN: &str = "FUELSYNC_TEST_DATABASE_URL";

/// One server for all tests of this process. Statics are never dropped, so a container, which would stay, is not kept
/// here but by those who use it; the local server ends with the process, whichever way that ends.
static LOCAL: OnceCell<Result<Embedded, String>> = OnceCell::const_new();
static CONTAINER: Mutex<std::sync::Weak<Container>> = Mutex::const_new(std::sync::Weak::new());

/// A server in use.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// A URL whose role may create databases.
    pub(super) url: String,
    /// Held while the server is needed.
    _container: Option<Arc<Container>>,
}

impl Server {
    /// The server of this process.
    pub(super) async fn shared() -> Self {
        if let Ok(url) = std::env::var(GIVEN) {
            return Self { url, _container: None };
        }
        let local = LOCAL.get_or_init(|| async {
            // A download would be slow and hide that something is missing on the machine.
            if !fuelsync::embedded::installed() {
                return Err("there are no PostgreSQL programs on this machine".to_owned());
            }
            Embedded::start(EmbeddedOptions::default()).await.map_err(|error| error.to_string())
        });
        match local.await {
            Ok(server) => Self { url: server.url().expose_secret().to_owned(), _container: None },
            Err(local) => Self::in_container(local).await,
        }
    }

    async fn in_container(local: &str) -> Self {
        let mut shared = CONTAINER.lock().await;
        let container = match shared.upgrade() {
            Some(container) => container,
            None => match Container::start().await {
                Ok(container) => Arc::new(container),
                Err(error) => panic!(
                    "these tests need a PostgreSQL server and there is none.\n\
                     - {GIVEN} is not set\n- local programs: {local}\n- container: {error}\n\
                     Install it (`apt-get install postgresql`, `dnf install postgresql-server`, `brew install \
                     postgresql@17`), or set {GIVEN} to a server whose role may create databases"
                ),
            },
        };
        *shared = Arc::downgrade(&container);
        Self { url: container.url().to_owned(), _container: Some(container) }
    }
}
