//! What becomes of single rows, and of files at their edges.

use tandem_core::payload::ReasonCount;
use tandem_core::testing::Faults;

use crate::support::{Journey, Sizes, datasets, lookup_of};

const HEADER: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n";

fn row(uuid: &str) -> String {
    format!("{uuid},Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n")
}

/// Output and rejects as text, after a run in one chunk.
fn run(dataset: &str, file: impl AsRef<[u8]>) -> (String, String, Vec<ReasonCount>) {
    let datasets = datasets();
    let journey = Journey::new(datasets.named(dataset).unwrap(), file.as_ref(), &Sizes::large(), Faults::none());
    let result = journey.run().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(journey.output()), text(journey.rejects()), result.reasons)
}

#[test]
fn a_file_with_a_header_only_gives_headers_only() {
    for file in [HEADER, HEADER.trim_end(), &format!("{HEADER}\n\r\n")] {
        let (output, rejects, reasons) = run("sales-orders", file);
        assert_eq!(output.lines().count(), 1);
        assert!(output.starts_with("\"uuid\",\"Country\","), "{output}");
        assert_eq!(rejects, "row,field,rule,record\n");
        assert!(reasons.is_empty());
    }
}

#[test]
fn a_file_of_bad_rows_only_gives_the_output_header_and_every_reject() {
    let (output, rejects, reasons) = run("sales-orders", format!("{HEADER}{}{}", row("x"), row("y")));
    assert_eq!(output.lines().count(), 1);
    assert_eq!(rejects.lines().nth(2), Some("2,uuid,pattern,\"y,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\""));
    assert_eq!(reasons, [ReasonCount { field: "uuid".to_owned(), rule: "pattern".to_owned(), count: 2 }]);
}

#[test]
fn each_way_for_a_row_to_be_bad_names_its_rule() {
    let bad: &[(&str, &str)] = &[
        ("000000001,Chad,Fruit\n", ",field_count,"),
        ("000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020,more\n", ",field_count,"),
        (",Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n", "uuid,required,"),
        ("12,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n", "uuid,pattern,"),
        ("000000003,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n", "uuid,unmatched,"),
        ("000000001,,Fruit,Online,urgent,1/2/2020,Africa,1/3/2020\n", "country,required,"),
        ("000000001,Chad,Fruit,Online,urgent,1/2/2020,Africa,1/3/2020\n", "orderPriority,maxLength,"),
        ("000000001,Chad,Fruit,Online,H,1/2/2020,Africa,11/13/20200\n", "shipDate,maxLength,"),
    ];
    let file: String = bad.iter().map(|(row, _)| *row).collect();
    let (output, rejects, _) = run("sales-orders", format!("{HEADER}{file}"));
    assert_eq!(output.lines().count(), 1);
    for (number, (line, (_, rule))) in rejects.lines().skip(1).zip(bad).enumerate() {
        assert!(line.starts_with(&format!("{},{rule}", number + 1)), "{line}: {rule}");
    }
}

#[test]
fn bytes_that_are_not_utf8_reject_the_row_and_name_the_column_if_it_is_used() {
    let file = [
        HEADER.trim_end().as_bytes(),
        b",note\n000000001,T\xFCrkiye,Fruit,Online,H,1/2/2020,Asia,1/3/2020,x\n",
        b"000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020,\xFF\n",
    ]
    .concat();
    let (_, rejects, _) = run("sales-orders", file);
    let lines: Vec<&str> = rejects.lines().collect();
    assert!(lines[1].starts_with("1,country,utf8,"), "{rejects}");
    assert!(lines[2].starts_with("2,,utf8,"), "{rejects}");
}

#[test]
fn a_character_that_is_whole_only_once_its_quotes_are_gone_rejects_the_row_and_not_the_file() {
    let file = [
        HEADER.as_bytes(),
        b"000000001,\"\xC3\"\xA9,Fruit,Online,H,1/2/2020,Asia,1/3/2020\n",
        row("000000002").as_bytes(),
    ]
    .concat();
    let (output, rejects, _) = run("sales-orders", file);
    assert_eq!(output.lines().filter(|line| line.starts_with("\"000000002\"")).count(), 1, "{output}");
    assert!(rejects.lines().nth(1).is_some_and(|line| line.starts_with("1,,utf8,")), "{rejects}");
}

#[test]
fn the_other_dataset_checks_enums_formats_and_patterns_and_delivers_unmatched_rows() {
    let file = "Contact;SKU;Name;Net Price;Currency;Valid From\n\
                a@example.com;ABC-0001;Screw;1.50;EUR;2024-02-29\n\
                ;XYZ-0001;Nail;0.10;USD;\n\
                ;ABC-0001;Screw;1,50;EUR;\n\
                ;ABC-0001;Screw;1.50;DM;\n\
                ;ABC-0001;Screw;1.50;EUR;2023-02-29\n\
                nobody;ABC-0001;Screw;1.50;EUR;\n\
                ;ABC-0001;X;1.50;EUR;\n";
    let (output, rejects, reasons) = run("price-list", file);
    assert!(output.lines().any(|line| line == "XYZ-0001;;;0.10;USD;;Nail"), "{output}");
    assert!(output.contains("\nABC-0001;;\"two\nlines; 1\";1.50;EUR;2024-02-29;Screw\n"), "{output}");
    let rules: Vec<String> =
        rejects.lines().skip(1).map(|line| line.splitn(4, ',').take(3).collect::<Vec<_>>().join(",")).collect();
    let expected =
        ["3,netPrice,pattern", "4,currency,enum", "5,validFrom,format", "6,contact,format", "7,name,minLength"];
    assert_eq!(rules, expected);
    assert_eq!(reasons.len(), 3);
}

#[test]
fn a_key_longer_than_the_table_takes_is_unmatched_and_fails_nothing_else() {
    let definition = String::from_utf8(crate::support::PRICE_LIST.to_vec()).unwrap().replace("{4,8}", "{4,4000}");
    let dataset = tandem_core::dataset::Dataset::parse("price-list", definition.as_bytes()).unwrap();
    let long = format!("ABC-{}", "1".repeat(3_000));
    let file =
        format!("SKU;Name;Net Price;Currency;Valid From;Contact\n{long};Screw;1.50;EUR;;\nABC-0001;Nail;1.50;EUR;;\n");
    let journey = Journey::new(&dataset, file.as_bytes(), &Sizes::large(), Faults::none());
    assert_eq!(journey.run().unwrap().rows_out, 2);
    assert_eq!(journey.lookup.asked(), [1]);
}

#[test]
fn each_distinct_key_is_looked_up_once_and_100_in_a_call() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let rows: String = (0..1_000).map(|number| row(&format!("{:09}", number % 250))).collect();
    let journey = Journey::new(dataset, format!("{HEADER}{rows}").as_bytes(), &Sizes::large(), Faults::none());
    let result = journey.run().unwrap();
    let mut asked = journey.lookup.asked();
    asked.sort_unstable();
    assert_eq!(asked, [50, 100, 100]);
    let known = (0..250).filter(|number| lookup_of("orders", &format!("{number:09}")).is_some()).count() as u64;
    assert_eq!(result.rows_out, known * 4);
}

#[test]
fn the_first_1_000_rejected_rows_are_stored_with_4_kib_of_each_record() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let long = format!("a{}\n", "é".repeat(4_000));
    let rows: String = (0..1_200).map(|_| row("bad")).collect();
    let sizes = Sizes { chunk_rows: 100, ..Sizes::large() };
    let journey = Journey::new(dataset, format!("{HEADER}{long}{rows}").as_bytes(), &sizes, Faults::none());
    assert_eq!(journey.run().unwrap().rows_rejected, 1_201);
    let stored = journey.rejects.rows();
    assert_eq!(stored.iter().map(|row| row.row).collect::<Vec<_>>(), (1..=1_000).collect::<Vec<_>>());
    assert_eq!(stored[0].record, format!("a{}", "é".repeat(2_047)));
    assert_eq!((stored[1].field.as_str(), stored[1].rule.as_str()), ("uuid", "pattern"));
}
