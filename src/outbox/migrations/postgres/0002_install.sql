-- Whose row it is: the id in `meta` of the installation that made it. Only that one claims it.
ALTER TABLE delivery ADD COLUMN install TEXT NOT NULL DEFAULT '';
UPDATE delivery SET install = (SELECT convert_from(value, 'UTF8') FROM meta WHERE name = 'install_id');
