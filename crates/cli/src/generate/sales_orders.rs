//! The dataset `sales-orders`: orders with a nine-digit number, enriched with units, prices and totals.

use super::random::Random;
use super::row::Row;
use super::shape::{Fault, Shape};

const COUNTRY: usize = 1;
const ITEM_TYPE: usize = 2;

/// The dataset.
pub const SHAPE: Shape = Shape {
    dataset: "sales-orders",
    delimiter: b',',
    columns: &["uuid", "Country", "Item Type", "Sales Channel", "Order Priority", "Order Date", "Region", "Ship Date"],
    keys: 1_000_000_000,
    key: |number| format!("{number:09}"),
    fill,
    reference: &["unitsSold", "unitPrice", "unitCost", "totalRevenue", "totalCost", "totalProfit"],
    refer,
    faults: &[
        Fault::TooFewFields,
        Fault::TooManyFields,
        Fault::UnknownKey,
        Fault::Spoilt(0, Vec::clear),
        Fault::Spoilt(0, |uuid| uuid.truncate(8)),
        Fault::Spoilt(0, |uuid| uuid.push(b'0')),
        Fault::Spoilt(0, |uuid| uuid.iter_mut().take(1).for_each(|digit| *digit = b'X')),
        Fault::NotUtf8(COUNTRY, b"\xe9\xff"),
        Fault::Spoilt(COUNTRY, |country| country.resize(60, b'.')),
        Fault::Spoilt(ITEM_TYPE, |item| item.resize(40, b'.')),
        Fault::Spoilt(3, |channel| channel.extend_from_slice(b" and by telephone")),
        Fault::Spoilt(4, |priority| priority.extend_from_slice(b"urgent")),
        Fault::Spoilt(5, |date| date.extend_from_slice(b" 00:00")),
        Fault::Spoilt(6, |region| region.resize(120, b'.')),
    ],
};

/// Regions and countries. Some hold a comma, a quote or letters beyond ASCII, as real ones do.
const PLACES: &[(&str, &[&str])] = &[
    ("Asia", &["Japan", "India", "Viet Nam", "Korea, Republic of", "Kazakhstan", "Sri Lanka", "Mongolia"]),
    ("Australia and Oceania", &["Australia", "New Zealand", "Fiji", "Samoa", "Micronesia, Federated States of"]),
    ("Central America and the Caribbean", &["Panama", "Jamaica", "Curaçao", "Costa Rica", "Saint Barthélemy"]),
    ("Europe", &["Germany", "France", "Åland Islands", "Spain", "Poland", "Türkiye", "Norway", "Moldova, Republic of"]),
    ("Middle East and North Africa", &["Morocco", "Egypt", "Jordan", "Iran, Islamic Republic of", "Oman"]),
    ("North America", &["United States of America", "Canada", "Mexico", "Greenland"]),
    (
        "Sub-Saharan Africa",
        &["Kenya", "Côte d'Ivoire", "Ghana", "Tanzania, United Republic of", "São Tomé and Príncipe"],
    ),
];

/// Item types with the price and the cost of a unit, in cents.
const ITEMS: &[(&str, u64, u64)] = &[
    ("Baby Food", 25_528, 15_942),
    ("Beverages", 4_745, 3_179),
    ("Cereal", 20_570, 11_711),
    ("Clothes", 10_928, 3_584),
    ("Cosmetics", 43_720, 26_333),
    ("Fruits", 933, 692),
    ("Household", 66_827, 50_254),
    ("Meat", 42_189, 36_469),
    ("Office Supplies", 65_121, 52_496),
    ("Personal Care", 8_173, 5_667),
    ("Snacks, \"Family\" Pack", 15_258, 9_744),
    ("Vegetables", 15_406, 9_093),
];

fn fill(uuid: &str, random: &mut Random, row: &mut Row) {
    let (region, countries) = *random.of(PLACES);
    let (item, _, _) = *random.of(ITEMS);
    let ordered = random.below(DAYS);
    row.push(uuid);
    row.push(random.of(countries));
    row.push(item);
    row.push(random.of(&["Online", "Offline"]));
    row.push(random.of(&["C", "H", "L", "M"]));
    push_date(row, ordered);
    row.push(region);
    push_date(row, ordered + random.below(50));
}

fn refer(row: &Row, random: &mut Random, record: &mut Row) -> bool {
    let item = row.fields().get(ITEM_TYPE).map(Vec::as_slice).unwrap_or_default();
    let (_, price, cost) = ITEMS.iter().find(|(name, ..)| name.as_bytes() == item).copied().unwrap_or_default();
    let units = 1 + random.below(9_999);
    record.push(units);
    for cents in [price, cost, units * price, units * cost, units * (price - cost)] {
        record.push(format_args!("{}.{:02}", cents / 100, cents % 100));
    }
    true
}

/// Days from which an order date is taken.
const DAYS: u64 = 10 * 365;
/// The years that a date can fall into, and one more.
const FIRST_YEAR: u64 = 2015;

/// Appends the date so many days after the first one, as month/day/year. Every year has 365 days: nothing here needs leap days.
fn push_date(row: &mut Row, days: u64) {
    const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (year, mut day) = (FIRST_YEAR + days / 365, days % 365);
    let mut month = 1;
    for length in MONTHS {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    row.push(format_args!("{month}/{}/{year}", day + 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_month_day_year() {
        let date = |days| {
            let mut row = Row::default();
            push_date(&mut row, days);
            String::from_utf8_lossy(&row.fields()[0]).into_owned()
        };
        assert_eq!(date(0), "1/1/2015");
        assert_eq!(date(31), "2/1/2015");
        assert_eq!(date(364), "12/31/2015");
        assert_eq!(date(365 + 58), "2/28/2016");
    }
}
