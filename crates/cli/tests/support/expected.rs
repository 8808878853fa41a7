//! What a delivery of sales orders must hold, for rows whose keys are among the reference data.

/// Header of an input.
pub const HEADER: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n";

/// Header of an output.
pub const OUTPUT_HEADER: &str = "\"uuid\",\"Country\",\"Item Type\",\"Sales Channel\",\"Order Priority\",\"Order Date\",\
                                 \"Region\",\"Ship Date\",\"Units Sold\",\"Unit Price\",\"Unit Cost\",\"Total Revenue\",\
                                 \"Total Cost\",\"Total Profit\"\n";

/// Header of a rejects file.
pub const REJECTS_HEADER: &str = "row,field,rule,record\n";

/// An input row with this key.
pub fn row(key: u32) -> String {
    format!("{key},Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020\n")
}

/// The output row for it.
pub fn output_row(key: u32) -> String {
    let number = key - 100_000_000;
    format!(
        "\"{key}\",\"Peru\",\"Fruits\",\"Online\",\"H\",\"1/2/2020\",\"Americas\",\"1/3/2020\",\
         \"{number}\",\"9.33\",\"6.92\",\"{}\",\"5\",\"1,5\"\n",
        number * 9
    )
}
