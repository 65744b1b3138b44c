"""Tables: read by DuckDB, surveyed, and encoded as samples."""

from twolayer.data.tables.tables import MISSING as MISSING
from twolayer.data.tables.tables import Table as Table
from twolayer.data.tables.tables import TableRows as TableRows
from twolayer.data.tables.tables import as_table as as_table
