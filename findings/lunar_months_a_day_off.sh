#!/bin/sh
# lunardate 0.3.0 begins the lunar months 1933-06, 1954-11 and 1978-08 on the wrong day.
#
# Versions:  lunardate 0.3.0, compared with borax 4.1.3 and zhdate 0.1, which know nothing of each
#            other, and with the new moons that ephem 4.2.1 computes (UTC+8, China's time).
# Input:     every lunar month of the years 1900 to 2056, by its year, number and whether it is a
#            leap month. All are valid input of the three libraries.
# Expected:  one first day for each month. A lunar month begins on the day of the new moon.
# Seen:      of 1,942 months three begin on another day in lunardate alone. The fifteenth of the
#            eighth month of 1978 (Mid-Autumn Festival, 17 September) is 16 September there.
# So:        docs/adr/0018-lunar-calendar.md
#
# Needs Python 3.11 or newer and a package index. Uses nothing of this project. Exit status 0 if the
# behaviour is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  lunardate==0.3.0 borax==4.1.3 zhdate==0.1 ephem==4.2.1

cat > "$folder/expected" <<'TEXT'
1942 months from 1900 to 2056
1933-06 lunardate 1933-07-22 borax 1933-07-23 zhdate 1933-07-23 new moon 1933-07-23 00:03
1954-11 lunardate 1954-11-26 borax 1954-11-25 zhdate 1954-11-25 new moon 1954-11-25 20:30
1978-08 lunardate 1978-09-02 borax 1978-09-03 zhdate 1978-09-03 new moon 1978-09-03 00:08
1978-08-15 lunardate 1978-09-16 borax 1978-09-17
TEXT

"$folder/venv/bin/python" -W ignore - > "$folder/seen" <<'PYTHON'
from datetime import date, datetime, timedelta

import borax.calendars.lunardate as borax
import ephem
import lunardate
import zhdate


def new_moon(near: date) -> datetime:
    after = datetime(near.year, near.month, near.day) + timedelta(days=3)
    return ephem.Date(ephem.previous_new_moon(after) + 8 * ephem.hour).datetime()


months = [
    (year, month, bool(leap))
    for year in range(1900, 2057)
    for month, _, leap in borax.LCalendars.iter_year_month(year)
]
print(len(months), "months from 1900 to 2056")
for year, month, leap in months:
    first = {
        "lunardate": lunardate.LunarDate(year, month, 1, leap).to_solar_date(),
        "borax": borax.LunarDate(year, month, 1, int(leap)).to_solar_date(),
        "zhdate": zhdate.ZhDate(year, month, 1, leap).to_datetime().date(),
    }
    if len(set(first.values())) > 1:
        days = " ".join(f"{name} {day}" for name, day in first.items())
        moon = new_moon(first["borax"])
        print(f"{year}-{month:02}{' leap' * leap} {days} new moon {moon:%Y-%m-%d %H:%M}")
print(
    "1978-08-15 lunardate",
    lunardate.LunarDate(1978, 8, 15).to_solar_date(),
    "borax",
    borax.LunarDate(1978, 8, 15).to_solar_date(),
)
PYTHON

cat "$folder/seen"
diff "$folder/expected" "$folder/seen" || { echo "the behaviour has changed" >&2; exit 1; }
