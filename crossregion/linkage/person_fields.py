"""The fields of persons: how they are encoded, blocked and compared."""

from __future__ import annotations

from crossregion.domain.events import ListedPerson, PersonsListed
from crossregion.linkage import comparison, encoding
from crossregion.linkage.blocking import VALUES, Key, posted, sought
from crossregion.linkage.encoding import AT, Encoded, Texts
from crossregion.linkage.field_set import Known
from crossregion.linkage.frequencies import Frequencies
from crossregion.linkage.model import BadModel, Model, Whole
from crossregion.linkage.normalisation import normalise
from crossregion.linkage.weights import Compared


class Persons:
    """Names, births, homes and what else is known of a person."""

    width = encoding.WIDTH

    def __init__(self, model: Model) -> None:
        if model.fields != comparison.LEVELS:
            raise BadModel("The linkage model has another set of fields or levels.")
        if unknown := {rule.of for rule in model.keys} - set(VALUES):
            raise BadModel(f"The linkage model has unknown blocking keys: {sorted(unknown)}.")
        if set(model.rarity) - set(comparison.SHARED):
            raise BadModel(
                f"The linkage model knows rarity of other fields than {comparison.SHARED}."
            )
        if any(len(one) != 1 for one in model.frequencies.get("characters", ())):
            raise BadModel("The linkage model counts characters that are not one.")
        self._rules = model.keys
        self._texts, self._keys = Texts(), Texts()
        self._frequencies = Frequencies(model.frequencies)

    def known(self, person: ListedPerson, listed: PersonsListed) -> Known:
        one = normalise(person, listed)
        encoded = encoding.encode(one, self._texts, self._frequencies)
        keys = posted(one, self._rules, self._keys)
        more = bool(encoded.row[AT["more"]])
        return Known(person["person_id"], one, encoded, encoded.row, keys, more)

    def sought(self, known: Known) -> set[Key]:
        return sought(known.person, self._rules, self._keys)

    def compare(self, one: Encoded, is_victim: bool, many: Whole) -> Compared:
        return comparison.compare(one, is_victim, many, self._texts.texts)
