-- The day on which the unit says that it accepted the event, for the count of a day.
ALTER TABLE registry.sighting ADD COLUMN accepted_on date;
