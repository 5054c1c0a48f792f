//! What the fuzz targets ask of `HecOne`'s answers.

use reqwest::Url;

use super::answer::{self, Page};
use crate::http::{HttpError, Rest};

/// Of a page with these rows: the total that it tells, and what it says comes next.
pub fn page(rows: Vec<String>, rest: &Rest) -> Result<(Option<u64>, Option<String>), HttpError> {
    Page::of(rows, rest).map(|page| (page.total, page.next))
}

/// The link to the next page, if it may be followed.
pub fn follow(next: &str, page: &Url, offset: u64) -> Option<Url> {
    answer::follow(next, page, offset)
}

/// The one transaction in a document.
pub fn single(document: &str) -> Result<Option<String>, HttpError> {
    answer::one_of(document)
}
