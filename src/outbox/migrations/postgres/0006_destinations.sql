-- A destination that was switched off, by whom, when and why, as JSON; NULL: it is on.
ALTER TABLE lane ADD COLUMN off TEXT;
