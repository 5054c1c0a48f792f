//! What is asked for, as types that cannot be wrong: whatever is no stream of the picture is not found, and never repeated.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Html,
};
use serde::Deserialize;

use super::{
    kept::Known,
    model::{Group, Overview, StreamPage},
    overview, quarantine, shell, stream,
};
use crate::{
    domain::SourceKind,
    status::{StatusState, Unavailable, view::View},
};

type Page = Result<(StatusCode, Html<String>), Unavailable>;

/// Which account's interface, where only one is asked for.
#[derive(Debug, Deserialize)]
pub(in crate::status) struct WhichGroup {
    source: Option<String>,
    account: Option<String>,
}

/// Which stream.
#[derive(Debug, Deserialize)]
pub(in crate::status) struct WhichStream {
    source: String,
    account: String,
    #[serde(default = "whole")]
    partition: String,
}

fn whole() -> String {
    "-".to_owned()
}

fn not_found() -> (StatusCode, Html<String>) {
    (StatusCode::NOT_FOUND, Html(shell::not_found("No stream is called so. It may not have been read yet.")))
}

/// The front page.
pub(in crate::status) async fn index(
    State(state): State<StatusState>,
    asked: Result<Query<WhichGroup>, QueryRejection>,
) -> Page {
    let Ok(Query(asked)) = asked else { return Ok(not_found()) };
    let view = state.view().await?;
    let only = match (asked.source, asked.account) {
        (None, None) => None,
        (source, account) => match known(&view, source.as_deref(), account) {
            Some(group) => Some(group),
            // Without the database no stream is known, and the page says why.
            None if !view.database.is_readable() => None,
            None => return Ok(not_found()),
        },
    };
    let model = match &state.book {
        Some(book) => book.overview(view, only).await,
        None => Overview {
            view,
            cadences: Arc::default(),
            coverage: Known::nothing(),
            sales: Known::nothing(),
            runs: Known::nothing(),
            only,
        },
    };
    Ok((StatusCode::OK, Html(overview::render(&model))))
}

/// A group that the picture has streams of.
fn known(view: &View, source: Option<&str>, account: Option<String>) -> Option<Group> {
    let (source, account): (SourceKind, String) = (source?.parse().ok()?, account?);
    view.streams.iter().any(|stream| stream.source == source && stream.account == account).then_some((source, account))
}

/// One stream's page.
pub(in crate::status) async fn stream_page(
    State(state): State<StatusState>,
    asked: Result<Query<WhichStream>, QueryRejection>,
) -> Page {
    let Ok(Query(asked)) = asked else { return Ok(not_found()) };
    let view = state.view().await?;
    let found = view.streams.iter().find(|stream| {
        stream.source.as_str() == asked.source
            && stream.account == asked.account
            && stream.partition.as_str() == asked.partition
    });
    let Some(found) = found.cloned() else {
        return Ok(if view.database.is_readable() { not_found() } else { out_of_reach(&view) });
    };
    let page = if let Some(book) = &state.book {
        book.stream(&view, found).await
    } else {
        let problem = format!("{} cannot be asked for", found.id());
        StreamPage { stream: found, taken_at: view.taken_at, cadences: Arc::default(), ledger: Err(problem) }
    };
    Ok((StatusCode::OK, Html(stream::render(&page))))
}

/// What is in quarantine.
pub(in crate::status) async fn quarantine_page(State(state): State<StatusState>) -> Page {
    let view = state.view().await?;
    let Some(book) = &state.book else { return Ok(not_found()) };
    if !view.database.is_readable() {
        return Ok(out_of_reach(&view));
    }
    Ok((StatusCode::OK, Html(quarantine::render(&book.quarantine(&view).await))))
}

fn out_of_reach(view: &View) -> (StatusCode, Html<String>) {
    let said = view.database.problem.as_deref().unwrap_or("The database cannot be used.");
    (StatusCode::SERVICE_UNAVAILABLE, Html(shell::unavailable(said)))
}
