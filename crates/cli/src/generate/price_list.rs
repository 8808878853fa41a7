//! The dataset `price-list`: a supplier's articles; those that are in stock somewhere have a reference record.

use super::random::Random;
use super::row::Row;
use super::shape::{Fault, Shape};

const NAME: usize = 1;
const NET_PRICE: usize = 2;

/// The dataset. Its articles may be unknown, so an unknown key is no fault.
pub const SHAPE: Shape = Shape {
    dataset: "price-list",
    delimiter: b';',
    columns: &["SKU", "Name", "Net Price", "Currency", "Valid From", "Contact"],
    keys: LETTERS * LETTERS * LETTERS * NUMBERS,
    key: sku,
    fill,
    reference: &["stock", "warehouse"],
    refer,
    faults: &[
        Fault::TooFewFields,
        Fault::TooManyFields,
        Fault::Spoilt(0, Vec::clear),
        Fault::Spoilt(0, |sku| sku.make_ascii_lowercase()),
        Fault::Spoilt(0, |sku| sku.truncate(6)),
        Fault::NotUtf8(NAME, b" \xfc"),
        Fault::Spoilt(NAME, |name| name.resize(150, b'.')),
        Fault::Spoilt(NAME, |name| name.truncate(1)),
        Fault::Spoilt(NET_PRICE, |price| price.iter_mut().filter(|sign| **sign == b'.').for_each(|dot| *dot = b',')),
        Fault::Spoilt(NET_PRICE, |price| price.insert(0, b'-')),
        Fault::Spoilt(3, |currency| currency.push(b'O')),
        Fault::Spoilt(4, |date| date.splice(.., *b"2025-02-30").for_each(drop)),
        Fault::Spoilt(5, |contact| contact.splice(.., *b"nobody at example.com").for_each(drop)),
    ],
};

const LETTERS: u64 = 26;
const NUMBERS: u64 = 1_000_000;

const MATERIALS: &[&str] = &["Steel", "Brass", "Birch", "Rubber", "Glass", "Linen", "Ceramic"];
const ARTICLES: &[&str] =
    &["hinge; pair", "bolt M8", "shelf", "hose 1/2\"", "bowl", "Türgriff", "cord, 10 m", "œillet"];
const CURRENCIES: &[&str] = &["EUR", "USD", "GBP", "CHF", "JPY"];
const SUPPLIERS: &[&str] = &["north", "south", "harbour", "mill"];
const WAREHOUSES: &[&str] = &["Rotterdam", "Gdańsk", "Memphis", "Osaka"];

fn sku(number: u64) -> String {
    let (letters, number) = (number / NUMBERS, number % NUMBERS);
    let letter = |place: u64| char::from(b'A' + (letters / place % LETTERS) as u8);
    format!("{}{}{}-{number:06}", letter(LETTERS * LETTERS), letter(LETTERS), letter(1))
}

fn fill(sku: &str, random: &mut Random, row: &mut Row) {
    let cents = 1 + random.below(5_000_000);
    row.push(sku);
    row.push(format_args!("{} {}", random.of(MATERIALS), random.of(ARTICLES)));
    row.push(format_args!("{}.{:02}", cents / 100, cents % 100));
    row.push(random.of(CURRENCIES));
    row.push(format_args!("{}-{:02}-{:02}", 2024 + random.below(3), 1 + random.below(12), 1 + random.below(28)));
    // The contact may be left empty.
    match random.below(4) {
        0 => row.push(""),
        _ => row.push(format_args!("sales@{}.example.com", random.of(SUPPLIERS))),
    }
}

/// One article in ten is in no warehouse, and has no record.
fn refer(_row: &Row, random: &mut Random, record: &mut Row) -> bool {
    record.push(random.below(10_000));
    record.push(random.of(WAREHOUSES));
    random.below(10) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_article_number_is_three_letters_and_six_digits() {
        assert_eq!(sku(0), "AAA-000000");
        assert_eq!(sku(NUMBERS + 7), "AAB-000007");
        assert_eq!(sku(SHAPE.keys - 1), "ZZZ-999999");
    }
}
