"""The sales-orders job with Polars: INPUT REFERENCE OUTPUT_DIR. Lazy, on its streaming engine, with every core."""

import sys

# A script of this name hides the package of the same name as long as its folder is searched.
sys.path.pop(0)

import polars as pl

INPUT, REFERENCE, FOLDER = sys.argv[1:4]

FIELDS = ["uuid", "Country", "Item Type", "Sales Channel", "Order Priority", "Order Date", "Region", "Ship Date"]
NAMES = ["uuid", "country", "itemType", "salesChannel", "orderPriority", "orderDate", "region", "shipDate"]
LONGEST = [None, 50, 30, 10, 5, 10, 100, 10]
ADDED = {"unitsSold": "Units Sold", "unitPrice": "Unit Price", "unitCost": "Unit Cost", "totalRevenue": "Total Revenue", "totalCost": "Total Cost", "totalProfit": "Total Profit"}


def reading(path, names, **options):
    """Every field is text, and an empty field is an empty text."""
    schema = {name: pl.String for name in names}
    return pl.scan_csv(path, schema=schema, empty_string_is_null=False, **options)


def rules():
    """The first failed rule of a row as 'field,rule', null for a good one: columns in their order, required first."""
    failed = pl.when(False).then(pl.lit(""))
    for field, name, longest in zip(FIELDS, NAMES, LONGEST):
        failed = failed.when(pl.col(field) == "").then(pl.lit(f"{name},required"))
        if longest is None:
            failed = failed.when(~pl.col(field).str.contains(r"^[0-9]{9}$")).then(pl.lit(f"{name},pattern"))
        else:
            failed = failed.when(pl.col(field).str.len_chars() > longest).then(pl.lit(f"{name},maxLength"))
    return failed.when(pl.col("Units Sold").is_null()).then(pl.lit("uuid,unmatched")).otherwise(None)


def record():
    """The record as it came: its writer puts quotes where they are necessary."""
    def field(name):
        column = pl.col(name)
        quoted = pl.concat_str(pl.lit('"'), column.str.replace_all('"', '""', literal=True), pl.lit('"'))
        return pl.when(column.str.contains('[,"]')).then(quoted).otherwise(column)

    return pl.concat_str([field(name) for name in FIELDS], separator=",")


reference = reading(REFERENCE, ["id", *ADDED]).rename(ADDED)
judged = (
    reading(INPUT, FIELDS, row_index_name="row", row_index_offset=1)
    .join(reference, left_on="uuid", right_on="id", how="left", maintain_order="left")
    .with_columns(failed=rules())
)
output = judged.filter(pl.col("failed").is_null()).select(*FIELDS, *ADDED.values())
parts = pl.col("failed").str.split_exact(",", 1)
rejects = judged.filter(pl.col("failed").is_not_null()).select(
    "row", parts.struct[0].alias("field"), parts.struct[1].alias("rule"), record().alias("record")
)
# Both results of one pass.
pl.collect_all(
    [
        output.sink_csv(f"{FOLDER}/output.csv", quote_style="always", lazy=True),
        rejects.sink_csv(f"{FOLDER}/rejects.csv", lazy=True),
    ],
    engine="streaming",
)
