"""What each dialect means where it differs from DuckDB's, and which of its functions were reviewed.

sqlglot translates a function that it does not know by its name, and several that it knows to something
close. A function is translated only when it stands in a list below: its meaning was compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_DATE_PARTS = frozenset("year quarter month day hour minute dayofyear doy".split())
_NUMBERS = frozenset("Y y m d H I M S j".split())
_NAMES = _NUMBERS | frozenset("b B a A p".split())


@dataclass(frozen=True, slots=True)
class Rules:
    """One dialect.

    Args:
        reads: sqlglot's name of it.
        functions: sqlglot's names of the reviewed functions; with ``~`` those that it does not know.
        escape: what escapes in LIKE when it says nothing: a character, nothing, or ``[`` for classes.
        whole: the macro that a number goes through on its way to a whole one.
        text: what CAST to VARCHAR(n) does: ``cut``, ``refuse``, or ``keep`` the text as it is.
        texts: the length of VARCHAR that says none.
        decimal: precision and scale of DECIMAL that says none; None: as many digits as it takes.
        monday: whether weeks begin on Mondays.
        sunday: what number a Sunday is; None: the dialect has other words for days of the week.
        second: whether EXTRACT(SECOND) has a fraction.
        elapsed: sqlglot's names of differences that count what has elapsed, not the boundaries between.
        formats: the parts of a date that may stand in a format, as strftime's letters.
        dollars: whether a replacement writes groups as ``$1``.
        wide: whether FLOAT is a DOUBLE.
        numeric: whether it has Postgres' numeric: sums of BIGINT, ROUND.
        truncated_average: whether the average of whole numbers is one.
        virtual: whether SUBSTRING counts places before the first.
        names: whether a result column without a name is called as Postgres does.
    """

    reads: str
    functions: frozenset[str]
    escape: str = ""
    whole: str = ""
    text: str = "refuse"
    texts: int | None = None
    decimal: tuple[int, int] | None = (38, 0)
    monday: bool = True
    sunday: int | None = None
    second: bool = False
    elapsed: frozenset[str] = frozenset()
    formats: frozenset[str] = _NAMES
    dollars: bool = False
    wide: bool = False
    numeric: bool = False
    truncated_average: bool = False
    virtual: bool = False
    names: bool = False

    @property
    def parts(self) -> frozenset[str]:
        """The units of EXTRACT that mean the same as in DuckDB."""
        return _DATE_PARTS


_EVERYWHERE = """
count sum min max avg stddev stddevsamp stddevpop variance variancepop corr covarpop covarsamp coalesce nullif case
if cast trycast upper lower trim length replace abs ceil floor round sign sqrt exp ln pow rownumber rank denserank
percentrank cumedist ntile lag lead firstvalue lastvalue nthvalue currentdate currenttimestamp extract greatest least
concat exists and or left right substring strposition array anyvalue unnest grouping approxdistinct reverse repeat
pad trunc log sin cos tan asin acos atan atan2 degrees radians pi year month day hour minute quarter dateadd datesub
tsordsadd tsordstodate timestrtotime md5
"""

_POSTGRES = """
timestamptrunc timetostr strtodate strtotime unixtotime groupconcat arrayagg percentilecont percentiledisc
regexpreplace splitpart concatws jsonextract jsonextractscalar ~age explodinggenerateseries generateseries explode
ascii chr cbrt logicalor logicaland ~every regexplike regexpilike mode translate startswith localtimestamp ~make_date
timestampfromparts uuid rand ~octet_length arraysize ~cardinality arraytostring arrayappend arrayconcat arrayposition
stringtoarray regrslope ~gcd ~lcm bitwiseandagg bitwiseoragg datebin lower
"""

_TSQL = """
dateadd datediff convert stuff timetostr lastday groupconcat concatws space datefromparts chr ascii rand uuid
timestamptrunc translate stddev count
"""

_BIGQUERY = """
safedivide datediff datetrunc timestamptrunc datetimetrunc timetostr strtodate countif regexplike regexpextract
regexpreplace split groupconcat arrayagg generateseries struct timestampadd timestampsub timestampdiff datetimediff
arraysize arraytostring arrayconcat startswith endswith logicalor logicaland datefromparts date unixseconds unixtotime
lastday uuid rand isnan weekstart tsordstotimestamp generatedatearray
"""

_SNOWFLAKE = """
datediff timestampadd timestampdiff nvl2 tonumber groupconcat arraysize struct split splitpart regexpextract regexplike
regexpreplace regexpcount timestamptrunc lastday dayofweek dayofyear weekofyear monthname dayname contains startswith
endswith arrayagg decodecase equalnull sha2 uuid logicalor logicaland median percentilecont percentiledisc
approxquantile countif addmonths jsonextract parsejson explode concatws chr ascii translate cbrt
"""

_TRINO = """
timestamptrunc datediff arraysize approxquantile jsonextractscalar jsonextract unixtotime timetounix timetostr
strtotime try split regexplike regexpextract regexpreplace regexpextractall transform arrayfilter arrayagg struct
dayofweekiso dayofyear weekofyear arraytostring arraydistinct arraysort arraymax arraymin generateseries arraycontains
groupconcat logicalor logicaland ~every countif date fromiso8601timestamp cbrt rand uuid concatws startswith translate
chr levenshtein mapkeys flatten isnan lastday arrayslice
"""

_SPARK = """
datediff addmonths timestamptrunc datetrunc timetostr strtodate strtotime arraysize explode arrayagg arrayuniqueagg nvl2
concatws regexpextract regexpreplace regexplike jsonextractscalar struct dayofweek dayofmonth dayofyear weekofyear
approxquantile regexpsplit lastday ascii translate sha2 uuid rand arraycontains arraydistinct arraytostring transform
arrayfilter generateseries flatten arrayslice logicalor logicaland countif isnan timestampdiff timestampadd ~make_date
date safedivide startswith contains endswith ~now
"""

_ANSI = """
timestamptrunc datediff groupconcat arrayagg percentilecont percentiledisc concatws regexplike logicalor logicaland
ascii chr cbrt translate startswith ~now ~odbc_timestampdiff ~odbc_timestampadd dayofweek dayofmonth dayofyear weekofyear monthname
dayname currenttime rand localtimestamp
"""


def _of(*lists: str) -> frozenset[str]:
    return frozenset(" ".join((_EVERYWHERE, *lists)).split())


_SPARK_RULES = Rules(
    "spark",
    _of(_SPARK),
    escape="\\",
    whole="ripstop_truncated_text",
    text="keep",
    decimal=(10, 0),
    sunday=1,
    second=True,
    elapsed=frozenset(["timestampdiff"]),
    dollars=True,
)

RULES: dict[str, Rules] = {
    "postgres": Rules(
        "postgres",
        _of(_POSTGRES),
        escape="\\",
        text="cut",
        decimal=None,
        sunday=0,
        second=True,
        formats=_NUMBERS,
        numeric=True,
        virtual=True,
        names=True,
    ),
    "trino": Rules(
        "trino",
        _of(_TRINO),
        whole="ripstop_rounded",
        text="cut",
        elapsed=frozenset(["datediff"]),
        formats=_NAMES | {"f"},
        dollars=True,
    ),
    "snowflake": Rules("snowflake", _of(_SNOWFLAKE), whole="ripstop_rounded", sunday=0, wide=True),
    "bigquery": Rules(
        "bigquery",
        _of(_BIGQUERY),
        escape="\\",
        whole="ripstop_rounded",
        decimal=(38, 9),
        monday=False,
        sunday=1,
        elapsed=frozenset(["timestampdiff"]),
    ),
    "spark": _SPARK_RULES,
    "databricks": replace(_SPARK_RULES, reads="databricks"),
    "tsql": Rules(
        "tsql",
        _of(_TSQL),
        escape="[",
        whole="ripstop_truncated",
        text="cut",
        texts=30,
        decimal=(18, 0),
        monday=False,
        sunday=1,
        wide=True,
        truncated_average=True,
        virtual=True,
    ),
    "ansi": Rules("ansi", _of(_ANSI), text="cut", decimal=(18, 3), sunday=1, wide=True),
}
"""The dialects by the name that a session option takes."""

ALSO = {
    "postgresql": "postgres",
    "presto": "trino",
    "athena": "trino",
    "sqlserver": "tsql",
    "mssql": "tsql",
    "odbc": "ansi",
    "jdbc": "ansi",
    "tableau": "ansi",
    "powerbi": "ansi",
}
"""Other names of the same: what Tableau and Power BI write through a generic driver is ``ansi``."""
