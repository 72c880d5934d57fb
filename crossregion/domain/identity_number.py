"""Citizen identity numbers: GB 11643-1999, 18 characters, check digit by ISO 7064 MOD 11-2."""

from __future__ import annotations

from datetime import date
from operator import mul

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"


def well_formed(number: str) -> bool:
    """Seventeen digits and a digit or X, or the fifteen digits of before 1999."""
    if len(number) == 15:
        return number.isascii() and number.isdigit()
    body, last = number[:17], number[17:]
    return (
        len(number) == 18
        and number.isascii()
        and body.isdigit()
        and (last.isdigit() or last in "Xx")
    )


def check_digit_right(number: str) -> bool:
    """Whether the last character follows from the seventeen before it; 15 digits have none."""
    if len(number) == 15:
        return True
    total = sum(map(mul, map(int, number[:17]), WEIGHTS))
    return CHECK[total % 11] == number[17].upper()


def birth_date(number: str) -> date | None:
    text = number[6:14] if len(number) == 18 else "19" + number[6:12]
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def sex(number: str) -> str:
    """F or M by the order digit: even for women."""
    order = number[16] if len(number) == 18 else number[14]
    return "M" if int(order) % 2 else "F"
