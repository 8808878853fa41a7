//! CSV files with everything in them that CSV files hold.

use proptest::collection::vec;
use proptest::prelude::*;

const SALES_HEADERS: &[&str] =
    &["uuid", "Country", "Item Type", "Sales Channel", "Order Priority", "Order Date", "Region", "Ship Date"];
const PRICE_HEADERS: &[&str] = &["SKU", "Name", "Net Price", "Currency", "Valid From", "Contact"];

/// Balanced oddities: none leaves a quote open.
const ODD: &[&[u8]] = &[
    b"", b"\"\"", b"a\"b", b"\"ab\"c", b"\"a\"\"b\"", b"\"x\ny\"", b"\"x\r\ny\"", b"\"x;,y\"", b"x\r", b"\"q\"\r", b"\xFF",
    b"\"\xC3\"", b"\xA9", b"\"\xC3\"\xA9", b"\"\xFE\n\"", b" \"space\"", b"\r", b"\"\r\"", b"\"\n\n\"", "größe 漢字 🦀".as_bytes(),
    b"\xEF\xBB\xBFbom", b"12345678", b"12a456789", b"999999999", b"\"000000001\"",
    b"a text that is far too long for a field that has a limit, whatever the limit of that field may be at all, in any of the datasets",
    b"=1+1", b"-12.5", b"+3", b"@x", b"-1-1", b"\"=a,;b\"", b"\"a,;=b\"", b"\"a\n=b\"", b"a;=b", b"a,@b", b"a\t+b", b"\"=b\"", b"\"a;\"\"-b\"\"\"", b"a,-1;-2", "＝1".as_bytes(), b"\"\t=1\"", b"2024-02-30", b"EURO", b"someone@", b"\t", b"\x00", b"'", b"1,5", b"1;5",
];

#[derive(Clone)]
pub struct Generated {
    pub bytes: Vec<u8>,
}

/// As a literal, so that a counterexample can be read.
impl std::fmt::Debug for Generated {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "b\"{}\"", self.bytes.escape_ascii())
    }
}

#[derive(Debug, Clone)]
enum Row {
    /// For each cell a seed for a good value, and sometimes an oddity in its place.
    Cells(Vec<(u16, Option<usize>)>),
    Blank,
    Short(u16),
    Long(u16),
}

pub fn generated(dataset: &'static str) -> impl Strategy<Value = Generated> {
    let headers = if dataset == "price-list" { PRICE_HEADERS } else { SALES_HEADERS };
    let columns = (Just(headers.to_vec()).prop_shuffle(), 0..3_usize);
    let cell = (any::<u16>(), prop::option::weighted(0.06, 0..ODD.len()));
    let row = prop_oneof![
        20 => vec(cell, headers.len() + 3).prop_map(Row::Cells),
        1 => Just(Row::Blank),
        1 => any::<u16>().prop_map(Row::Short),
        1 => any::<u16>().prop_map(Row::Long),
    ];
    let ends = (any::<bool>(), any::<bool>(), any::<bool>(), 0..3_usize);
    (columns, vec(row, 0..40), ends).prop_map(move |((columns, extra), rows, (bom, crlf, last_end, blanks))| {
        let delimiter = if dataset == "price-list" { b';' } else { b',' };
        let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        let mut bytes = if bom { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        bytes.extend(end.repeat(blanks));
        let mut lines = vec![header(&columns, extra, delimiter)];
        lines.extend(rows.iter().map(|row| line(row, &columns, extra, delimiter)));
        bytes.extend(lines.join(end));
        bytes.extend(if last_end { end.repeat(blanks + 1) } else { Vec::new() });
        Generated { bytes }
    })
}

fn header(columns: &[&str], extra: usize, delimiter: u8) -> Vec<u8> {
    let names = columns.iter().enumerate().map(|(index, name)| match index % 3 {
        0 => format!("\"{name}\""),
        1 => format!(" {name} "),
        _ => (*name).to_owned(),
    });
    let extra = (0..extra).map(|number| format!("extra {}", number / 2));
    names.chain(extra).collect::<Vec<_>>().join(&char::from(delimiter).to_string()).into_bytes()
}

fn line(row: &Row, columns: &[&str], extra: usize, delimiter: u8) -> Vec<u8> {
    let width = columns.len() + extra;
    let good = |count: usize, seed: u16| {
        let cells = (0..count).map(|index| good(columns.get(index).copied().unwrap_or("extra"), seed));
        cells.collect::<Vec<_>>().join(&[delimiter][..])
    };
    match row {
        Row::Blank => Vec::new(),
        Row::Short(seed) => good(width - 1, *seed),
        Row::Long(seed) => good(width + 1, *seed),
        Row::Cells(cells) => {
            let cell = |(index, (seed, odd)): (usize, &(u16, Option<usize>))| match odd {
                Some(odd) => ODD[*odd].to_vec(),
                None => good_cell(columns.get(index).copied().unwrap_or("extra"), *seed),
            };
            cells.iter().take(width).enumerate().map(cell).collect::<Vec<_>>().join(&[delimiter][..])
        }
    }
}

fn good_cell(column: &str, seed: u16) -> Vec<u8> {
    let value = good(column, seed);
    if seed.is_multiple_of(5) { [b"\"", value.as_slice(), b"\""].concat() } else { value }
}

/// A value that passes the rules of its column.
fn good(column: &str, seed: u16) -> Vec<u8> {
    match column {
        "uuid" => format!("{:09}", seed % 40),
        "SKU" => format!("ABC-{:04}", seed % 40),
        "Net Price" => format!("{}.{:02}", seed, seed % 100),
        "Currency" => ["EUR", "USD", "CHF"][usize::from(seed) % 3].to_owned(),
        "Valid From" => format!("2024-{:02}-{:02}", seed % 12 + 1, seed % 28 + 1),
        "Contact" => {
            if seed.is_multiple_of(2) {
                String::new()
            } else {
                format!("buyer{seed}@example.com")
            }
        }
        "Name" => format!("Blåbär {seed}"),
        "Order Priority" => ["H", "C", "L"][usize::from(seed) % 3].to_owned(),
        "Order Date" | "Ship Date" => format!("{}/{}/2020", seed % 12 + 1, seed % 28 + 1),
        _ => format!("t {}", seed % 1000),
    }
    .into_bytes()
}
