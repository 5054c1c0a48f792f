//! The hostile bodies, made piece by piece.

/// Whose server sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    HecOne,
    Alexela,
}

/// Which answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To the login (`HecOne`), or the list of contracts (Alexela).
    First,
    /// To every question for sales.
    Sales,
}

/// How it goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Chunked,
    /// One byte a chunk.
    ByteChunks,
    Gzip,
    /// Compressed twice.
    TwiceGzip,
    /// Headers without end.
    Headers,
    /// `100 Continue` without end.
    Continues,
    /// Trailers without end.
    Trailers,
    /// Status 500.
    Error,
}

/// How the program must end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    /// With a failed stream and an empty table.
    Refused,
    /// With what is in order loaded, all streams together.
    Loaded { rows: i64, quarantined: i64 },
}

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Blanks in the list.
    Blanks,
    /// Brackets.
    Deep,
    /// One record that does not end.
    Endless,
    /// The smallest sales there are.
    Tiny,
    /// `{}`.
    Empties,
    /// One record of millions of values.
    Values,
    /// Sales of as many members as are just read.
    Members,
    /// Sales with a receipt of almost 4 MiB, each character an escape.
    Large,
    /// Lines of one sale and product.
    Alike,
    /// Members beside the list.
    Beside,
    /// Contracts, or a token.
    List,
    /// Pages of new rows, with a total that grows.
    Growing,
    /// Pages of new rows, without a total.
    NoTotal,
    /// One page again and again, the total out of reach.
    Same,
    /// A thousand articles in each sale, which all repeat its long texts.
    Articles,
}

/// A hostile body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    name: &'static str,
    pub(super) vendor: Vendor,
    pub(super) place: Place,
    pub(super) framing: Framing,
    kind: Kind,
}

use Framing::{ByteChunks, Chunked, Continues, Error, Gzip, Headers, Trailers, TwiceGzip};
use Place::{First, Sales};
use Vendor::{Alexela, HecOne};

const fn body(name: &'static str, vendor: Vendor, place: Place, framing: Framing, kind: Kind) -> Body {
    Body { name, vendor, place, framing, kind }
}

/// Rows in a page of an endless list.
const PAGE: u64 = 10_000;
/// Sales with a large receipt.
const LARGE: u64 = 3;
/// Sales of a thousand articles.
const ARTICLES: u64 = 40;
/// Alexela's streams in the figure's configuration: a contract, bonus cards, charging.
const STREAMS: i64 = 3;

impl Body {
    pub(super) const ALL: &'static [Self] = &[
        body("alexela_gzip_of_blanks", Alexela, Sales, Gzip, Kind::Blanks),
        body("alexela_gzip_of_endless_record", Alexela, Sales, Gzip, Kind::Endless),
        body("alexela_gzip_of_gzip", Alexela, Sales, TwiceGzip, Kind::Blanks),
        body("alexela_deep", Alexela, Sales, Chunked, Kind::Deep),
        body("alexela_endless_record", Alexela, Sales, Chunked, Kind::Endless),
        body("alexela_tiny_records", Alexela, Sales, Chunked, Kind::Tiny),
        body("alexela_empty_objects", Alexela, Sales, Chunked, Kind::Empties),
        body("alexela_values", Alexela, Sales, Chunked, Kind::Values),
        body("alexela_members", Alexela, Sales, Chunked, Kind::Members),
        body("alexela_large_receipts", Alexela, Sales, Chunked, Kind::Large),
        body("alexela_alike", Alexela, Sales, Chunked, Kind::Alike),
        body("alexela_beside", Alexela, Sales, Chunked, Kind::Beside),
        body("alexela_byte_chunks", Alexela, Sales, ByteChunks, Kind::Blanks),
        body("alexela_headers", Alexela, Sales, Headers, Kind::Blanks),
        body("alexela_continues", Alexela, Sales, Continues, Kind::Blanks),
        body("alexela_trailers", Alexela, Sales, Trailers, Kind::Blanks),
        body("alexela_error", Alexela, Sales, Error, Kind::Beside),
        body("alexela_error_deep", Alexela, Sales, Error, Kind::Deep),
        body("alexela_contracts", Alexela, First, Chunked, Kind::List),
        body("hecone_gzip_of_blanks", HecOne, Sales, Gzip, Kind::Blanks),
        body("hecone_deep", HecOne, Sales, Chunked, Kind::Deep),
        body("hecone_endless_record", HecOne, Sales, Chunked, Kind::Endless),
        body("hecone_huge_page", HecOne, Sales, Chunked, Kind::Tiny),
        body("hecone_empty_objects", HecOne, Sales, Chunked, Kind::Empties),
        body("hecone_values", HecOne, Sales, Chunked, Kind::Values),
        body("hecone_members", HecOne, Sales, Chunked, Kind::Members),
        body("hecone_large_receipts", HecOne, Sales, Chunked, Kind::Large),
        body("hecone_articles", HecOne, Sales, Chunked, Kind::Articles),
        body("hecone_beside", HecOne, Sales, Chunked, Kind::Beside),
        body("hecone_growing_pages", HecOne, Sales, Chunked, Kind::Growing),
        body("hecone_pages_without_total", HecOne, Sales, Chunked, Kind::NoTotal),
        body("hecone_same_page", HecOne, Sales, Chunked, Kind::Same),
        body("hecone_headers", HecOne, Sales, Headers, Kind::Blanks),
        body("hecone_error", HecOne, Sales, Error, Kind::Beside),
        body("hecone_login", HecOne, First, Chunked, Kind::List),
        body("hecone_login_headers", HecOne, First, Headers, Kind::Blanks),
    ];

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it breaks a reader without limits within a few seconds, and one with limits reads it in less.
    pub(super) fn is_quick(&self) -> bool {
        matches!(self.name, "alexela_endless_record" | "alexela_values" | "hecone_huge_page" | "hecone_login")
    }

    /// How the program must end.
    pub(super) fn ends(&self) -> Ends {
        let streams = if self.vendor == Alexela { STREAMS } else { 1 };
        let count = |number: u64| streams * i64::try_from(number).expect("few");
        match (self.kind, self.framing, self.place) {
            (Kind::Values, ..) => Ends::Loaded { rows: 0, quarantined: streams },
            (Kind::Large, ..) => Ends::Loaded { rows: count(LARGE), quarantined: 0 },
            (Kind::Members, ..) => Ends::Loaded { rows: count(self.members()), quarantined: 0 },
            (Kind::Articles, ..) => Ends::Loaded { rows: count(ARTICLES * 1_000), quarantined: 0 },
            _ => Ends::Refused,
        }
    }

    const fn members(&self) -> u64 {
        match self.vendor {
            Alexela => 200,
            HecOne => 60,
        }
    }

    /// The body in pieces; none when it is whole. `page`: the offset asked for. It may have `size` MiB.
    pub(super) fn pieces(self, page: u64, size: u64) -> Box<dyn Iterator<Item = String> + Send> {
        // A byte a chunk is slow, not large.
        let size = if self.framing == ByteChunks { size.min(16) } else { size };
        let most = size * 1024 * 1024;
        let times = move |piece: &str| most / piece.len() as u64;
        let endless = move |begin: &str, piece: String| -> Box<dyn Iterator<Item = String> + Send> {
            let times = usize::try_from(times(&piece)).expect("fits");
            Box::new(std::iter::once(begin.to_owned()).chain(std::iter::repeat_n(piece, times)))
        };
        let open = if self.vendor == HecOne { "{\"data\":[" } else { "[" };
        let close = if self.vendor == HecOne { "],\"meta\":{\"total\":TOTAL}}" } else { "]" };
        // Whole, with so many records.
        let listed =
            move |count: u64, record: Box<dyn Fn(u64) -> String + Send>| -> Box<dyn Iterator<Item = String> + Send> {
                let records = (0..count).map(move |at| if at == 0 { record(at) } else { format!(",{}", record(at)) });
                let close = close.replace("TOTAL", &count.to_string());
                Box::new(std::iter::once(open.to_owned()).chain(records).chain(std::iter::once(close)))
            };
        match self.kind {
            Kind::Blanks => endless(open, " ".repeat(65_536)),
            Kind::Deep => endless(open, "[".repeat(65_536)),
            Kind::Endless => endless(&format!("{open}{{\"a\":\""), "x".repeat(65_536)),
            Kind::Empties => endless(&format!("{open}{{}}"), ",{}".repeat(20_000)),
            Kind::Beside => {
                let piece: Vec<_> = (0..1_000).map(|at| format!("\"a{at}\":[0,0,0,0,0,0,0,0],")).collect();
                endless("{", piece.concat())
            }
            Kind::List if self.vendor == HecOne => endless("{\"access_token\":\"", "x".repeat(65_536)),
            Kind::List => numbered("[0", most, |at| format!(",{}", at + 1)),
            Kind::Tiny => {
                numbered(&format!("{open}{}", self.tiny(0, 0)), most, move |at| format!(",{}", self.tiny(at + 1, 0)))
            }
            Kind::Alike => {
                let piece = format!(",{}", self.tiny(1, 1)).repeat(200);
                let times = usize::try_from(times(&piece).min(2_000)).expect("fits");
                let pieces = std::iter::repeat_n(piece, times);
                Box::new(
                    std::iter::once(format!("{open}{}", self.tiny(1, 1)))
                        .chain(pieces)
                        .chain(std::iter::once("]".to_owned())),
                )
            }
            Kind::Values => {
                let values = "0,".repeat(1_900_000);
                let record = self.tiny(1, 0).replacen('{', &format!("{{\"a\":[{values}0],"), 1);
                listed(1, Box::new(move |_| record.clone()))
            }
            Kind::Members => {
                let members: Vec<_> = (0..19_000).map(|at| format!("\"m{at}\":{},", at % 10)).collect();
                let members = members.concat();
                listed(self.members(), Box::new(move |at| self.tiny(at, 0).replacen('{', &format!("{{{members}"), 1)))
            }
            Kind::Large => {
                let receipt = "\\u0041".repeat(690_000);
                listed(LARGE, Box::new(move |at| self.tiny(at, 0).replacen('{', &format!("{{\"r\":\"{receipt}\","), 1)))
            }
            Kind::Articles => {
                let articles = vec!["{\"quantity\":1}"; 1_000].join(",");
                let text = "x".repeat(990);
                listed(
                    ARTICLES,
                    Box::new(move |at| {
                        let shared = format!(
                            "{{\"site_name\":\"{text}\",\"site_code\":\"{text}\",\"device_name\":\"{text}\",\"articles\":[{articles}],"
                        );
                        self.tiny(at, 0).replacen('{', &shared, 1)
                    }),
                )
            }
            Kind::Growing | Kind::NoTotal | Kind::Same => {
                let from = if self.kind == Kind::Same { 0 } else { page };
                let rows: Vec<String> = (from..from + PAGE).map(|at| self.tiny(at, 0)).collect();
                let total = match self.kind {
                    Kind::Growing => format!("\"total\":{}", page + 3 * PAGE),
                    Kind::Same => "\"total\":1000000000".to_owned(),
                    _ => String::new(),
                };
                Box::new(std::iter::once(format!("{{\"data\":[{}],\"meta\":{{{total}}}}}", rows.join(","))))
            }
        }
    }

    /// The smallest sale of the vendor.
    fn tiny(self, id: u64, quantity: u64) -> String {
        let quantity = if quantity == 0 { String::new() } else { format!(",\"quantity\":{quantity}") };
        match self.vendor {
            Alexela => format!("{{\"transactionId\":{id},\"transactionTime\":\"DAY\"{quantity}}}"),
            HecOne => format!("{{\"id\":{id},\"created_at\":\"DAY\",\"state\":\"completed\"{quantity}}}"),
        }
    }
}

/// Pieces of a thousand texts that differ.
fn numbered(
    begin: &str,
    most: u64,
    text: impl Fn(u64) -> String + Send + 'static,
) -> Box<dyn Iterator<Item = String> + Send> {
    let mut sent = 0;
    let pieces = (0..).map_while(move |piece: u64| {
        let piece: String = (piece * 1_000..(piece + 1) * 1_000).map(&text).collect();
        sent += piece.len() as u64;
        (sent <= most).then_some(piece)
    });
    Box::new(std::iter::once(begin.to_owned()).chain(pieces))
}
