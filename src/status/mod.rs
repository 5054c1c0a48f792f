//! The status server: `/` for people, `/healthz` and `/readyz` for a service manager, `/metrics` for Prometheus,
//! `/api/status` for programs. It reads what the warehouse knows and changes nothing.
//!
//! Nothing of a request gets into an answer: a parameter only chooses among the streams of the picture, the `Host` header
//! is ignored, what is shown comes from the warehouse and is escaped. The answers allow the page's own style and script, by
//! their hashes, and no outside asset.

pub mod gauges;
pub mod meter;
pub mod metrics;
pub mod page;
pub mod picture;
mod probe;
#[cfg(test)]
mod tests;
pub mod view;

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

pub use view::{DatabaseView, LineCount, StreamView, View};

use self::meter::Reading;
use crate::sync::watch::Vitals;

/// A picture is given up after this, so that a hanging database does not hang its observers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long answers under way may take after the stop.
const GRACE: Duration = Duration::from_secs(3);

/// Looks at the warehouse. It does not fail: a warehouse that cannot be reached is part of what is seen.
type Look<T> = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = T> + Send>> + Send + Sync>;

/// What the server needs.
#[derive(Clone)]
pub struct StatusState {
    picture: Look<View>,
    reading: Look<Reading>,
    database: Look<DatabaseView>,
    vitals: Vitals,
    /// One picture at a time: watchers must not take the connections that the work needs.
    turn: Arc<Mutex<()>>,
    /// What the pages are filled from beyond the picture; none: they show the picture alone.
    book: Option<page::Book>,
}

impl StatusState {
    /// A server that shows a `picture` on the page and under `/api/status`, a `reading` as metrics, and what of the
    /// `database` decides on `/readyz`; `vitals` decide on `/healthz`.
    pub fn new<P, R, D>(
        picture: impl Fn() -> P + Send + Sync + 'static,
        reading: impl Fn() -> R + Send + Sync + 'static,
        database: impl Fn() -> D + Send + Sync + 'static,
        vitals: Vitals,
    ) -> Self
    where
        P: Future<Output = View> + Send + 'static,
        R: Future<Output = Reading> + Send + 'static,
        D: Future<Output = DatabaseView> + Send + 'static,
    {
        Self {
            picture: Arc::new(move || Box::pin(picture())),
            reading: Arc::new(move || Box::pin(reading())),
            database: Arc::new(move || Box::pin(database())),
            vitals,
            turn: Arc::new(Mutex::new(())),
            book: None,
        }
    }

    /// The same, with pages that show what `book` has beyond the picture.
    #[must_use]
    pub fn with_book(self, book: page::Book) -> Self {
        Self { book: Some(book), ..self }
    }

    async fn view(&self) -> Result<View, Unavailable> {
        let picture = async {
            let _turn = self.turn.lock().await;
            (self.picture)().await
        };
        tokio::time::timeout(PATIENCE, picture).await.map_err(|_| Unavailable)
    }
}

impl fmt::Debug for StatusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusState").field("vitals", &self.vitals).finish_non_exhaustive()
    }
}

/// Serves until `shutdown`; answers under way get a moment.
pub async fn serve(listener: TcpListener, state: StatusState, shutdown: CancellationToken) -> std::io::Result<()> {
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = async { server.await } => served,
        () = too_long => Ok(()),
    }
}

fn router(state: StatusState) -> Router {
    let policy: Arc<str> = content_security_policy().into();
    Router::new()
        .route("/", get(page::routes::index))
        .route("/stream", get(page::routes::stream_page))
        .route("/quarantine", get(page::routes::quarantine_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(prometheus))
        .route("/api/status", get(api))
        .with_state(state)
        .layer(middleware::map_response(move |response| std::future::ready(guard(response, &policy))))
}

async fn api(State(state): State<StatusState>) -> Result<Json<View>, Unavailable> {
    Ok(Json(state.view().await?))
}

/// Always an answer: what this process counts is told without the database, too.
async fn prometheus(State(state): State<StatusState>) -> Response {
    let reading = (state.reading)().await;
    let text = metrics::render(&reading, state.vitals.standstill().is_none());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The process lives: its scheduler ticks, and nothing is stuck beyond its own deadline. The database is no part of it: a
/// restart does not mend a database.
async fn healthz(State(state): State<StatusState>) -> (StatusCode, String) {
    match state.vitals.standstill() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}; restart the process\n")),
    }
}

/// The database is reachable, its migrations are those of this version, and a window could be written.
async fn readyz(State(state): State<StatusState>) -> (StatusCode, String) {
    let database = (state.database)().await;
    if database.is_ready() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let unsaid = if database.reachable {
        "the database cannot be worked with; `fuelsync check` says more"
    } else {
        "the database cannot be reached"
    };
    let said = database.problem.as_deref().unwrap_or(unsaid);
    (StatusCode::SERVICE_UNAVAILABLE, format!("{said}\n"))
}

/// The warehouse took too long.
#[derive(Debug)]
struct Unavailable;

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        let said = format!("the database has not answered within {} s\n", PATIENCE.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
    }
}

/// Only the page's own style sheet and script, by their hashes, and the script only to fetch from here; nothing else at all.
fn content_security_policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(page::STYLE),
        hash(page::SCRIPT)
    )
}

fn guard(mut response: Response, policy: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let fixed: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
