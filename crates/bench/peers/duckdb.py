"""The sales-orders job with DuckDB: INPUT REFERENCE OUTPUT_DIR. Its own defaults: every core, its own memory limit."""

import sys

# A script of this name hides the package of the same name as long as its folder is searched.
sys.path.pop(0)

import duckdb

INPUT, REFERENCE, FOLDER = sys.argv[1:4]

COLUMNS = ["uuid", "Country", "Item Type", "Sales Channel", "Order Priority", "Order Date", "Region", "Ship Date"]
FIELDS = ["uuid", "country", "itemType", "salesChannel", "orderPriority", "orderDate", "region", "shipDate"]
LONGEST = {"country": 50, "itemType": 30, "salesChannel": 10, "orderPriority": 5, "orderDate": 10, "region": 100, "shipDate": 10}
ADDED = {"unitsSold": "Units Sold", "unitPrice": "Unit Price", "unitCost": "Unit Cost", "totalRevenue": "Total Revenue", "totalCost": "Total Cost", "totalProfit": "Total Profit"}


def text_columns(names):
    return "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"


def reading(path, names):
    """Every field is text, an empty field is an empty text, and the file's form is given, not guessed."""
    return f"""read_csv('{path}', columns = {text_columns(names)}, header = true, auto_detect = false, delim = ',',
        quote = '"', escape = '"', nullstr = '\\x00', max_line_size = 16777216)"""


def rules():
    """The first failed rule of a row as 'field,rule', NULL for a good one: columns in their order, required first."""
    cases = []
    for field in FIELDS:
        cases.append(f"WHEN i.{field} = '' THEN '{field},required'")
        if field == "uuid":
            cases.append("WHEN NOT regexp_full_match(i.uuid, '[0-9]{9}') THEN 'uuid,pattern'")
        else:
            cases.append(f"WHEN length(i.{field}) > {LONGEST[field]} THEN '{field},maxLength'")
    cases.append("WHEN r.id IS NULL THEN 'uuid,unmatched'")
    return "CASE " + " ".join(cases) + " END"


def record():
    """The record as it came: its writer puts quotes where they are necessary."""
    quoted = """CASE WHEN contains(i.{0}, ',') OR contains(i.{0}, '"') THEN '"' || replace(i.{0}, '"', '""') || '"' ELSE i.{0} END"""
    return " || ',' || ".join(quoted.format(field) for field in FIELDS)


database = duckdb.connect()
# The file stays on the left of the join, so that rows keep its order.
database.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
columns = ", ".join(f'i.{field}' for field in FIELDS) + ", " + ", ".join(f"r.{field}" for field in ADDED)
database.execute(f"""
    CREATE TEMP TABLE judged AS
    SELECT row_number() OVER () AS row, {columns}, {rules()} AS failed
    FROM {reading(INPUT, FIELDS)} i LEFT JOIN {reading(REFERENCE, ["id", *ADDED])} r ON i.uuid = r.id
""")
headers = ", ".join(f'{field} AS "{header}"' for field, header in [*zip(FIELDS, COLUMNS), *ADDED.items()])
database.execute(f"""
    COPY (SELECT {headers} FROM judged WHERE failed IS NULL)
    TO '{FOLDER}/output.csv' (HEADER, DELIMITER ',', QUOTE '"', ESCAPE '"', FORCE_QUOTE *)
""")
database.execute(f"""
    COPY (
        SELECT row, split_part(failed, ',', 1) AS field, split_part(failed, ',', 2) AS rule, {record()} AS record
        FROM judged i WHERE failed IS NOT NULL ORDER BY row
    ) TO '{FOLDER}/rejects.csv' (HEADER, DELIMITER ',', QUOTE '"', ESCAPE '"')
""")
