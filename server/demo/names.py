"""The words from which the demo company's people, shops and places are made."""

from __future__ import annotations

REGIONS = ("EU", "US", "APAC", "LATAM")

COUNTRIES: dict[str, tuple[tuple[str, str], ...]] = {
    "EU": (
        ("DE", "München"),
        ("FR", "Besançon"),
        ("PL", "Łódź"),
        ("ES", "A Coruña"),
        ("SE", "Malmö"),
        ("GR", "Αθήνα"),
    ),
    "US": (("US", "Boston"), ("US", "San José"), ("US", "Denver"), ("CA", "Montréal")),
    "APAC": (("JP", "東京"), ("IN", "Bengaluru"), ("AU", "Perth"), ("VN", "Đà Nẵng"), ("KR", "서울")),
    "LATAM": (("BR", "São Paulo"), ("MX", "Mérida"), ("AR", "Córdoba"), ("CL", "Valparaíso")),
}

FIRST: dict[str, tuple[str, ...]] = {
    "EU": ("Jürgen", "Anaïs", "Łukasz", "Íñigo", "Åsa", "Zoë", "Chloé", "Matthias", "Ελένη", "Søren"),
    "US": ("Olivia", "Noah", "Emma", "Liam", "Ava", "Mason", "Renée", "Ethan", "Sofía", "D'Andre"),
    "APAC": ("花子", "Arjun", "Nguyễn", "Priya", "민준", "Mei", "Ravi", "大輔", "Aroha", "Lakshmi"),
    "LATAM": ("João", "María José", "Inês", "Ramón", "Lucía", "Mateo", "Thaís", "Andrés", "Belén", "Caio"),
}

LAST: dict[str, tuple[str, ...]] = {
    "EU": ("Müller", "Lefèvre", "Wójcik", "Núñez", "Björk", "Groß", "O'Brien", "Παπαδόπουλος", "de Vries"),
    "US": ("Smith", "Johnson", "Beaulieu", "García", "Nguyen", "Washington", "Kim", "Brown"),
    "APAC": ("佐藤", "Sharma", "Trần", "Iyer", "김", "Chen", "田中", "Patel", "Walker"),
    "LATAM": ("Gonçalves", "Hernández", "Peña", "Araújo", "Muñoz", "Ibáñez", "Silva", "Rojas"),
}

# What an address makes of a name that it cannot spell.
SPELLED = {
    "Ελένη": "eleni",
    "Παπαδόπουλος": "papadopoulos",
    "花子": "hanako",
    "大輔": "daisuke",
    "민준": "minjun",
    "佐藤": "sato",
    "田中": "tanaka",
    "김": "gim",
    "Łukasz": "lukasz",
    "Søren": "soren",
    "Groß": "gross",
}

MAIL_HOSTS = ("mail.example", "post.example", "inbox.example", "firma.example")

LINES = ("motor", "home", "travel", "liability")

CAUSES: dict[str, tuple[str, ...]] = {
    "motor": ("collision", "hail", "theft", "glass"),
    "home": ("water", "fire", "storm", "burglary"),
    "travel": ("illness", "baggage", "delay", "cancellation"),
    "liability": ("injury", "damage", "advice", "cyber"),
}

NOTES = (
    "Rear-ended at a crossing; the other driver admits it.",
    "Pipe burst while away — Wasserschaden in der Küche.",
    "Hail, 4 cm; bonnet, roof and both wings.",
    "Policyholder says: “parked, came back, door dented”.",
    "Photos follow.",
    "Second report on the same event; see the first.",
)

SHOPS = (
    "Karosserie Grünwald",
    "Garage de l'Étoile",
    "Blech & Lack, GmbH",
    'Taller "El Rápido"',
    "Oficina São Jorge",
    "さくら自動車",
    "Main Street Auto Body",
    "Warsztat Wiśniewski",
    "Bengal Motors",
    "Casa Nova Reformas",
)

REPAIRS: tuple[tuple[str, str], ...] = (
    ("B10", "bumper, replace"),
    ("B20", "door, beat out and paint"),
    ("B30", "wing, replace"),
    ("G10", "windscreen, replace"),
    ("G20", "side window, replace"),
    ("H10", "roof, tiles"),
    ("H20", "floor, dry and lay again"),
    ("H30", "kitchen, joinery"),
    ("P10", "paint, one panel"),
    ("P20", "paint, whole body"),
    ("W10", "pipe, mend"),
    ("E10", "electrics, mend"),
)

REASONS = ("new policy", "shop seen before", "amount near the limit", "three claims in a year")
