//! What may stand in a file, and what each must give.

use crate::Case;
use crate::expected::{HEADER, OUTPUT_HEADER, REJECTS_HEADER, output_row, row};
use crate::regions::Regions;

pub const CASES: &[Case] = &[
    ("the_sample_is_delivered_with_its_bad_rows_in_the_rejects", sample),
    ("rows_that_are_all_bad_give_an_output_of_the_header_only", all_bad),
    ("a_header_only_is_delivered_with_0_rows_and_the_mail_says_so", header_only),
    ("what_is_no_csv_fails_and_its_owner_is_told", no_csv),
    ("a_column_that_is_missing_renamed_or_there_twice_is_named", columns_at_fault),
    ("columns_in_another_order_and_extra_columns_work", columns_moved),
    ("a_wrong_delimiter_is_named_with_the_one_expected", wrong_delimiter),
    ("bom_crlf_blank_lines_and_breaks_inside_fields_work", unusual_but_right),
    ("each_kind_of_bad_row_is_rejected_with_its_field_and_rule", bad_rows),
    ("an_unclosed_quote_fails_with_the_row_where_it_opened", unclosed_quote),
    ("a_field_of_20_mb_fails_with_its_row", huge_field),
    ("the_second_dataset_has_its_own_delimiter_rules_and_lookup", price_list),
];

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The sample's own reference data is generated with it; without it every key but these tests' ten is unmatched.
fn sample(regions: &Regions) {
    let sample = regions.scratch("sample.csv", b"");
    let reference = regions.scratch("sample-reference.csv", b"");
    let (sample, reference) = (sample.to_str().unwrap(), reference.to_str().unwrap());
    regions.succeeds(&[
        "generate",
        "--rows",
        "10000",
        "--seed",
        "1",
        "--bad",
        "1",
        "--out",
        sample,
        "--reference",
        reference,
    ]);
    regions.succeeds(&["reference", "load", reference]);
    let put = regions.put("sales-orders", &std::fs::read(sample).unwrap());
    put.delivered([10_000, 9_900, 100]);
    let (output, rejects) = regions.fetch(put.batch_id());
    let input = std::fs::read(sample).unwrap();
    let mut good = csv::Reader::from_reader(output.as_slice());
    let mut bad = csv::Reader::from_reader(rejects.as_slice());
    let rejected: Vec<usize> = bad.byte_records().map(|record| number(&record.unwrap()[0])).collect();
    assert!(rejected.is_sorted() && rejected.len() == 100);
    let mut all = csv::ReaderBuilder::new().flexible(true).from_reader(input.as_slice());
    let expected =
        all.byte_records().zip(1..).filter(|(_, row)| !rejected.contains(row)).map(|(record, _)| record.unwrap());
    for (delivered, sent) in good.byte_records().map(Result::unwrap).zip(expected) {
        assert_eq!(delivered.iter().take(8).collect::<Vec<_>>(), sent.iter().collect::<Vec<_>>());
        assert!(delivered.iter().skip(8).all(|field| !field.is_empty()), "not enriched: {delivered:?}");
    }
    let mails = regions.emails(put.batch_id());
    assert_eq!(mails.len(), 1);
    for part in [
        "Rows read:      10000\n",
        "Rows delivered: 9900\n",
        "Rows rejected:  100\n",
        "https://",
        "Most frequent reasons",
    ] {
        assert!(mails[0].text.contains(part), "{part} in {}", mails[0].text);
    }
}

fn number(field: &[u8]) -> usize {
    std::str::from_utf8(field).unwrap().parse().unwrap()
}

fn all_bad(regions: &Regions) {
    let put = regions.put("sales-orders", format!("{HEADER}x,,,,,,,\ny,,,,,,,\n").as_bytes());
    put.delivered([2, 0, 2]);
    let (output, rejects) = regions.fetch(put.batch_id());
    assert_eq!(text(output), OUTPUT_HEADER);
    assert_eq!(text(rejects).lines().count(), 3);
}

fn header_only(regions: &Regions) {
    let put = regions.put("sales-orders", HEADER.as_bytes());
    put.delivered([0, 0, 0]);
    assert_eq!(regions.fetch(put.batch_id()), (OUTPUT_HEADER.into(), REJECTS_HEADER.into()));
    assert!(regions.emails(put.batch_id())[0].text.contains("It held 0 rows"));
}

fn no_csv(regions: &Regions) {
    let garbage: Vec<u8> = (0..5_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (content, reason) in
        [(&b""[..], "empty"), (&garbage, "not a CSV file"), (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "PDF")]
    {
        let put = regions.put("sales-orders", content);
        put.failed(&[reason]);
        let mails = regions.emails(put.batch_id());
        assert_eq!(mails.len(), 1, "{reason}");
        assert!(mails[0].text.contains(put.text("reason")), "{}", mails[0].text);
        let record = regions.record(put.batch_id()).unwrap();
        assert_eq!((&record["failed_state"], &record["attempt"]), (&"Split".into(), &1.into()));
    }
}

fn columns_at_fault(regions: &Regions) {
    let missing = HEADER.replace("Item Type,", "");
    regions.put("sales-orders", missing.as_bytes()).failed(&["Item Type", "missing"]);
    let renamed = HEADER.replace("Country", "Countri");
    regions.put("sales-orders", renamed.as_bytes()).failed(&["Country", "Countri"]);
    let twice = HEADER.replace("Ship Date", "Ship Date,Region");
    regions.put("sales-orders", twice.as_bytes()).failed(&["Region", "2 times"]);
}

fn columns_moved(regions: &Regions) {
    let file = "Note,Ship Date,Region,Order Date,Order Priority,Sales Channel,Item Type,Country,uuid\n\
                anything,1/3/2020,Americas,1/2/2020,H,Online,Fruits,Peru,100000003\n";
    let put = regions.put("sales-orders", file.as_bytes());
    put.delivered([1, 1, 0]);
    assert_eq!(text(regions.fetch(put.batch_id()).0), format!("{OUTPUT_HEADER}{}", output_row(100_000_003)));
}

fn wrong_delimiter(regions: &Regions) {
    let file = format!("{HEADER}{}", row(100_000_000)).replace(',', ";");
    regions.put("sales-orders", file.as_bytes()).failed(&["semicolon", "comma"]);
}

fn unusual_but_right(regions: &Regions) {
    let rows = "100000001,\"Peru\nand \"\"Chile\"\"\",Fruits,Online,H,1/2/2020,\"A,B\",1/3/2020";
    let file = format!("\u{feff}{}{}\n{rows}\n\n\n", HEADER, row(100_000_000).trim_end()).replace('\n', "\r\n");
    let file = file.replace("Peru\r\nand", "Peru\nand");
    let put = regions.put("sales-orders", file.as_bytes());
    put.delivered([2, 2, 0]);
    let output = text(regions.fetch(put.batch_id()).0);
    assert!(output.starts_with(&format!("{OUTPUT_HEADER}{}", output_row(100_000_000))), "{output}");
    assert!(output.contains("\"Peru\nand \"\"Chile\"\"\""), "{output}");
    let unended = format!("{HEADER}{}", row(100_000_000).trim_end());
    let put = regions.put("sales-orders", unended.as_bytes());
    put.delivered([1, 1, 0]);
    assert_eq!(text(regions.fetch(put.batch_id()).0), format!("{OUTPUT_HEADER}{}", output_row(100_000_000)));
}

fn bad_rows(regions: &Regions) {
    let good = row(100_000_000);
    let mut file = HEADER.as_bytes().to_vec();
    let bad: [(&[u8], &str, &str); 6] = [
        (b"100000001,too,short", "", "field_count"),
        (b"100000001,a,b,c,d,e,f,g,too long", "", "field_count"),
        (b"100000001,\xff\xfe,Fruits,Online,H,1/2/2020,Americas,1/3/2020", "country", "utf8"),
        (b"199999999,Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020", "uuid", "unmatched"),
        (b",Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020", "uuid", "required"),
        (b"10000000x,Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020", "uuid", "pattern"),
    ];
    for (record, ..) in &bad {
        file.extend_from_slice(good.as_bytes());
        file.extend_from_slice(record);
        file.push(b'\n');
    }
    let put = regions.put("sales-orders", &file);
    put.delivered([12, 6, 6]);
    let (output, rejects) = regions.fetch(put.batch_id());
    assert_eq!(text(output), format!("{OUTPUT_HEADER}{}", output_row(100_000_000).repeat(6)));
    let mut rejects = csv::Reader::from_reader(rejects.as_slice());
    let lines: Vec<_> = rejects.byte_records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), bad.len());
    for ((line, number), (record, field, rule)) in lines.iter().zip(1_u64..).zip(&bad) {
        assert_eq!(&line[0], (number * 2).to_string().as_bytes());
        assert_eq!((&line[2], &line[3]), (rule.as_bytes(), *record));
        assert!(&line[1] == field.as_bytes() || *rule == "utf8", "{field}: {line:?}");
    }
}

fn unclosed_quote(regions: &Regions) {
    let file = format!("{HEADER}{}{}\"open,{}", row(100_000_000), row(100_000_001), row(100_000_002));
    regions.put("sales-orders", file.as_bytes()).failed(&["row 3", "quote"]);
}

fn huge_field(regions: &Regions) {
    let file = format!("{HEADER}{}100000001,{},b,c,d,e,f,g\n", row(100_000_000), "x".repeat(20_000_000));
    regions.put("sales-orders", file.as_bytes()).failed(&["row 2"]);
}

fn price_list(regions: &Regions) {
    let file = "SKU;Name;Net Price;Currency;Valid From;Contact\n\
                ABC-1000;Bolt, steel;1.20;EUR;2026-01-01;a@example.com\n\
                ABC-9999;Nut;0.10;EUR;2026-01-01;\n\
                ABC-1000;Nut;0.10;XXX;2026-01-01;\n";
    let put = regions.put("price-list", file.as_bytes());
    put.delivered([3, 2, 1]);
    let (output, rejects) = regions.fetch(put.batch_id());
    let lines: Vec<String> = text(output).lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "SKU;Warehouse;Stock;Net Price;Currency;Valid From;Name");
    assert_eq!(lines[1], "ABC-1000;North;7;1.20;EUR;2026-01-01;Bolt, steel");
    assert_eq!(lines[2], "ABC-9999;;;0.10;EUR;2026-01-01;Nut");
    assert_eq!(text(rejects), format!("{REJECTS_HEADER}3,currency,enum,ABC-1000;Nut;0.10;XXX;2026-01-01;\n"));
}
