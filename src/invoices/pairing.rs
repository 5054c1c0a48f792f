//! Which line of an invoice is which row.
//!
//! Lines that say what a row says take it first, by keys alone: those that say most before those that say less. What is left
//! is held against the nearest rows of the same transaction, of the same receipt, or of all; what agrees most is paired
//! first. Nothing is held against everything, so that the work grows with the lines and not with their square.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use super::{Line, Row};
use crate::domain::Amount;

/// A cent, in ten-thousandths: so far apart a line and a row may still be one sale, at another price.
const CENT: u64 = 100;
/// Rows that a line is held against, in each direction of each index.
const NEAR: usize = 16;

/// How well a line and a row agree; the greatest are paired first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Agreement {
    /// In the currency, the amount, in it but for a cent, in the product, in the quantity.
    what: [bool; 5],
    /// In so many of the names of a sale.
    named: usize,
    /// In the day.
    day: bool,
    /// The nearer the greater.
    nearness: Reverse<u64>,
}

/// A row, with what is compared of it.
struct Told<'a> {
    row: &'a Row,
    products: Vec<String>,
    day: i64,
}

/// By what a line finds rows that are not quite what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Transaction(String),
    Receipt(String),
    All,
    /// Of a product, by quantity.
    Quantity(String),
    /// Of a product, by day.
    Day(String),
}

/// What a line and a row have to have in common to be one sale beyond doubt. A field is there where the line has it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    transaction_id: Option<&'a str>,
    receipt_no: Option<&'a str>,
    card_end: Option<String>,
    currency: Option<&'a str>,
    product: Option<&'a str>,
    quantity: Option<i64>,
    day: Option<i64>,
    amount: i64,
}

/// Which fields a line has: transaction, receipt, end of the card, currency, product, quantity, day.
type Shape = [bool; SAID];
const SAID: usize = 7;

/// Lines and rows, and which are paired.
pub(super) struct Pairing<'a> {
    lines: Vec<(&'a Line, Option<String>)>,
    rows: Vec<Told<'a>>,
    row_of: Vec<Option<usize>>,
    taken: Vec<bool>,
    index: BTreeSet<(Group, i64, usize)>,
    /// How often a line was held against a row.
    pub(super) compared: u64,
}

/// Of each line its row, in the order given; and whether each row was taken. Lines come in the order of the file, rows in that
/// of their keys: of equal ones it decides, so that it comes to the same each time.
pub(super) fn pair<'a>(lines: &[&'a Line], rows: &[&'a Row]) -> Pairing<'a> {
    let lower = |text: &String| text.trim().to_lowercase();
    let told = |&row: &&'a Row| Told {
        row,
        products: row.products.iter().flatten().map(lower).collect(),
        day: day(row.occurred_at.date_naive()),
    };
    let mut pairing = Pairing {
        lines: lines.iter().map(|line| (*line, line.product.as_ref().map(lower))).collect(),
        rows: rows.iter().map(told).collect(),
        row_of: vec![None; lines.len()],
        taken: vec![false; rows.len()],
        index: BTreeSet::new(),
        compared: 0,
    };
    pairing.take_equal();
    pairing.take_near();
    pairing
}

fn day(date: chrono::NaiveDate) -> i64 {
    i64::from(chrono::Datelike::num_days_from_ce(&date))
}

impl Pairing<'_> {
    /// The row of each line.
    pub(super) fn rows(&self) -> &[Option<usize>] {
        &self.row_of
    }

    /// Whether a row has a line.
    pub(super) fn is_taken(&self, row: usize) -> bool {
        self.taken[row]
    }

    fn take(&mut self, line: usize, row: usize) {
        (self.row_of[line], self.taken[row]) = (Some(row), true);
        for (group, at) in entries(&self.rows[row]) {
            self.index.remove(&(group, at, row));
        }
    }

    /// Pairs what is equal in all that the line says.
    fn take_equal(&mut self) {
        let shapes: Vec<Shape> = self.lines.iter().map(|(line, _)| shape(line)).collect();
        let mut kinds: Vec<Shape> = shapes.clone();
        // Those that say most stand first.
        kinds.sort_unstable_by_key(|shape| (Reverse(shape.iter().filter(|has| **has).count()), Reverse(*shape)));
        kinds.dedup();
        for kind in kinds {
            for with_card in [true, false] {
                if with_card && !kind[2] {
                    continue;
                }
                self.take_by(&shapes, kind, with_card);
            }
        }
    }

    /// Those of one shape. A card whose end the row does not show decides nothing: such rows are met by the second turn.
    fn take_by(&mut self, shapes: &[Shape], shape: Shape, with_card: bool) {
        let lines: Vec<usize> =
            (0..self.lines.len()).filter(|at| shapes[*at] == shape && self.row_of[*at].is_none()).collect();
        let Some(&first) = lines.first() else { return };
        let step = self.lines[first].0.quantity.map_or(1, |figure| 10i64.pow(4u32.saturating_sub(figure.decimals)));
        let mut pairs = Vec::new();
        {
            let mut buckets: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
            for (at, row) in self.rows.iter().enumerate().rev().filter(|(at, _)| !self.taken[*at]) {
                for key in keys(row, shape, with_card, step) {
                    buckets.entry(key).or_default().push(at);
                }
            }
            let mut taken = self.taken.clone();
            for at in lines {
                let (line, product) = &self.lines[at];
                let key = key(line, product.as_deref(), shape, with_card, step);
                let Some(bucket) = buckets.get_mut(&key) else { continue };
                let mut passed = Vec::new();
                while let Some(row) = bucket.pop() {
                    if taken[row] {
                        continue;
                    }
                    self.compared += 1;
                    if card(line, self.rows[row].row) == Some(false) || !is_quantity(line, self.rows[row].row) {
                        passed.push(row);
                        if passed.len() == NEAR {
                            break;
                        }
                        continue;
                    }
                    taken[row] = true;
                    pairs.push((at, row));
                    break;
                }
                bucket.extend(passed.into_iter().rev());
            }
        }
        for (line, row) in pairs {
            self.take(line, row);
        }
    }

    /// Pairs the rest, by how well they agree.
    fn take_near(&mut self) {
        for (at, row) in self.rows.iter().enumerate().filter(|(at, _)| !self.taken[*at]) {
            self.index.extend(entries(row).into_iter().map(|(group, place)| (group, place, at)));
        }
        let left: Vec<usize> = (0..self.lines.len()).filter(|at| self.row_of[*at].is_none()).collect();
        let mut possible = Vec::new();
        for &line in &left {
            possible.extend(self.near(line).into_iter().map(|(agreement, row)| (Reverse(agreement), line, row)));
        }
        possible.sort_unstable();
        for (_, line, row) in possible {
            if self.row_of[line].is_none() && !self.taken[row] {
                self.take(line, row);
            }
        }
        // What was near may have gone to others; behind it there may be more.
        for line in left {
            if self.row_of[line].is_none() {
                let best = self.near(line).into_iter().max_by_key(|(agreement, row)| (*agreement, Reverse(*row)));
                if let Some((_, row)) = best {
                    self.take(line, row);
                }
            }
        }
    }

    /// The rows that are left and may be of a line.
    fn near(&mut self, at: usize) -> Vec<(Agreement, usize)> {
        let (line, product) = &self.lines[at];
        let amount = line.amount.ten_thousandths();
        let mut places = Vec::new();
        if let Some(id) = &line.transaction_id {
            places.push((Group::Transaction(id.trim().to_owned()), amount));
        } else if let Some(receipt) = &line.receipt_no {
            places.push((Group::Receipt(receipt.trim().to_owned()), amount));
        } else {
            places.push((Group::All, amount));
            if let Some(product) = product {
                places.extend(line.quantity.map(|q| (Group::Quantity(product.clone()), q.value.ten_thousandths())));
                places.extend(line.date.map(|date| (Group::Day(product.clone()), day(date))));
            }
        }
        let mut rows = BTreeSet::new();
        for (group, place) in places {
            let from = (group.clone(), place, 0);
            let is_of_it = |entry: &&(Group, i64, usize)| entry.0 == group;
            rows.extend(self.index.range(from.clone()..).take_while(is_of_it).take(NEAR).map(|entry| entry.2));
            rows.extend(self.index.range(..from).rev().take_while(is_of_it).take(NEAR).map(|entry| entry.2));
        }
        self.compared += rows.len() as u64;
        let held =
            rows.into_iter().filter_map(|row| Some((agreement(line, product.as_deref(), &self.rows[row])?, row)));
        held.collect()
    }
}

fn shape(line: &Line) -> Shape {
    [
        line.transaction_id.is_some(),
        line.receipt_no.is_some(),
        line.card_number.as_deref().and_then(card_end).is_some(),
        line.currency.is_some(),
        line.product.is_some(),
        line.quantity.is_some(),
        line.date.is_some(),
    ]
}

fn key<'a>(line: &'a Line, product: Option<&'a str>, shape: Shape, with_card: bool, step: i64) -> Key<'a> {
    let [_, _, card, _, _, _, _] = shape;
    Key {
        transaction_id: line.transaction_id.as_deref().map(str::trim),
        receipt_no: line.receipt_no.as_deref().map(str::trim),
        card_end: line.card_number.as_deref().filter(|_| card && with_card).and_then(card_end),
        currency: line.currency.as_deref(),
        product,
        quantity: line.quantity.map(|figure| rounded(figure.value.ten_thousandths(), step)),
        day: line.date.map(day),
        amount: line.amount.ten_thousandths(),
    }
}

/// The keys under which lines of a shape look for a row: one for each name of its product. None: it lacks what they have.
fn keys<'a>(told: &'a Told<'_>, shape: Shape, with_card: bool, step: i64) -> Vec<Key<'a>> {
    let [id, receipt, card, currency, product, quantity, date] = shape;
    let row = told.row;
    let end = row.card_number.as_deref().and_then(card_end);
    let lacks = receipt && row.receipt_no.is_none()
        || card && (end.is_some() != with_card)
        || currency && row.currency.is_none()
        || quantity && row.quantity.is_none();
    let Some(amount) = row.gross_amount.filter(|_| !lacks) else { return Vec::new() };
    let of = |product: Option<&'a str>| Key {
        transaction_id: id.then_some(row.transaction_id.as_str()),
        receipt_no: row.receipt_no.as_deref().filter(|_| receipt),
        card_end: end.clone().filter(|_| card && with_card),
        currency: row.currency.as_deref().filter(|_| currency),
        product,
        quantity: row.quantity.filter(|_| quantity).map(|here| rounded(here.ten_thousandths(), step)),
        day: date.then_some(told.day),
        amount: amount.ten_thousandths(),
    };
    if !product {
        return vec![of(None)];
    }
    let mut names: Vec<&str> = told.products.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| of(Some(name))).collect()
}

/// To the nearest multiple.
const fn rounded(value: i64, step: i64) -> i64 {
    value.saturating_add(step / 2).div_euclid(step)
}

/// Where a row that has no line stands in the index.
fn entries(told: &Told<'_>) -> Vec<(Group, i64)> {
    let row = told.row;
    let amount = row.gross_amount.map_or(i64::MAX, Amount::ten_thousandths);
    let mut entries = vec![(Group::Transaction(row.transaction_id.clone()), amount), (Group::All, amount)];
    entries.extend(row.receipt_no.clone().map(|receipt| (Group::Receipt(receipt), amount)));
    for product in &told.products {
        entries.push((Group::Day(product.clone()), told.day));
        entries.extend(row.quantity.map(|here| (Group::Quantity(product.clone()), here.ten_thousandths())));
    }
    entries
}

fn is_quantity(line: &Line, row: &Row) -> bool {
    line.quantity.is_none_or(|there| row.quantity.is_some_and(|here| there.is(here)))
}

/// How well they agree. None: they are not of one sale.
fn agreement(line: &Line, product: Option<&str>, told: &Told<'_>) -> Option<Agreement> {
    let row = told.row;
    let same = |there: &Option<String>, here: Option<&str>| there.as_deref().map(|there| here == Some(there.trim()));
    let named = [
        same(&line.transaction_id, Some(&row.transaction_id)),
        same(&line.receipt_no, row.receipt_no.as_deref()),
        card(line, row),
    ];
    // The first name that the line has decides: a receipt's number may be another terminal's as well, a card buys often.
    let decides = named.iter().flatten().next().copied();
    let is_quantity = line.quantity.is_some() && is_quantity(line, row);
    let is_product = product.is_none_or(|there| told.products.iter().any(|here| here == there));
    let apart =
        row.gross_amount.map_or(u64::MAX, |here| here.ten_thousandths().abs_diff(line.amount.ten_thousandths()));
    let is_cent = apart <= CENT;
    let is_of_it = match decides {
        Some(is_named) => is_named,
        None => is_cent && (is_product || is_quantity) || is_quantity && is_product,
    };
    // By a card alone a sale is told with its day and product, or its amount.
    let by_card = decides.is_some() && line.transaction_id.is_none() && line.receipt_no.is_none();
    let is_day = line.date.is_none_or(|date| (told.day - day(date)).abs() <= 1);
    if !is_of_it || by_card && !(is_cent || is_quantity && is_product || is_day && line.date.is_some() && is_product) {
        return None;
    }
    let is_currency = !is_other_currency(line, row);
    Some(Agreement {
        what: [is_currency, apart == 0, is_cent, is_product, is_quantity],
        named: named.iter().flatten().filter(|is| **is).count(),
        day: is_day,
        nearness: Reverse(apart),
    })
}

/// Whether both say a currency, and not the same.
pub(super) fn is_other_currency(line: &Line, row: &Row) -> bool {
    line.currency.as_deref().zip(row.currency.as_deref()).is_some_and(|(there, here)| there != here)
}

/// Whether the line and the row are of one card; none where the row's cannot be told: none, hashed, or nothing of it shown.
fn card(line: &Line, row: &Row) -> Option<bool> {
    is_card(line.card_number.as_deref()?, row.card_number.as_deref()?)
}

fn shown(card: &str) -> Vec<char> {
    card.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

/// A hash of a number says nothing of it.
const fn is_hash(shown: &[char]) -> bool {
    shown.len() > 32
}

/// Whether two ways to show a card may be of one: a mask hides what it hides, and where both hide too much, nothing is said.
pub(super) fn is_card(there: &str, here: &str) -> Option<bool> {
    let (there, here) = (shown(there), shown(here));
    if is_hash(&there) != is_hash(&here) {
        return None;
    }
    let is_masked = there.contains(&'*') || here.contains(&'*');
    if !is_masked {
        return Some(there == here);
    }
    let pairs: Vec<(char, char)> = if there.len() == here.len() {
        there.iter().copied().zip(here.iter().copied()).filter(|(a, b)| *a != '*' && *b != '*').collect()
    } else {
        // A mask of another length: what stands before it and behind it.
        let ahead = there.iter().zip(&here).take_while(|(a, b)| **a != '*' && **b != '*');
        let behind = there.iter().rev().zip(here.iter().rev()).take_while(|(a, b)| **a != '*' && **b != '*');
        ahead.chain(behind).map(|(a, b)| (*a, *b)).collect()
    };
    if pairs.iter().any(|(a, b)| a != b) {
        return Some(false);
    }
    (pairs.len() >= 4).then_some(true)
}

/// The last four characters, where they are shown.
fn card_end(card: &str) -> Option<String> {
    let shown = shown(card);
    let end = shown.len().checked_sub(4)?;
    (!is_hash(&shown) && !shown[end..].contains(&'*')).then(|| shown[end..].iter().collect())
}
